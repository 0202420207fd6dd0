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
