/** Seconds during which at least one thing was under way; what overlaps counts once. */
export class UnderWay {
  #open = 0
  #began = 0
  #total = 0

  begin(): void {
    if (this.#open === 0) this.#began = performance.now()
    this.#open += 1
  }

  end(): void {
    this.#open -= 1
    if (this.#open === 0) this.#total += performance.now() - this.#began
  }

  get seconds(): number {
    return (this.#total + (this.#open > 0 ? performance.now() - this.#began : 0)) / 1000
  }
}

/** Spans that one to come may still reach back to; of more than this many, the oldest half count as ended. */
const MOST_SPANS = 512

/** The same of things that are told when they have ended: the length of the union of their spans. */
export class Covered {
  /** Apart from each other, in order. */
  #spans: { readonly from: number; readonly to: number }[] = []
  #total = 0

  /** Adds the span `from`..`to`; `to` is not before that of any earlier one. Any unit of time. */
  add(from: number, to: number): void {
    let first = from
    for (;;) {
      const last = this.#spans.at(-1)
      if (last === undefined || last.to < first) break
      first = Math.min(first, last.from)
      this.#total -= last.to - last.from
      this.#spans.pop()
    }
    this.#spans.push({ from: first, to })
    this.#total += to - first
    if (this.#spans.length > MOST_SPANS) this.#spans = this.#spans.slice(MOST_SPANS / 2)
  }

  get total(): number {
    return this.#total
  }
}
