import type { FinishReason, GenerateOptions } from '../backend.ts'
import type { Piece } from './pieces.ts'

/** Counts matches as text grows: a match counts once it is there, and the search goes on behind it. */
class Counter {
  count = 0
  readonly #pattern: RegExp
  #from = 0

  constructor(pattern: string) {
    this.#pattern = new RegExp(pattern, 'gu')
  }

  /** Whether there were new matches. */
  update(text: string): boolean {
    const before = this.count
    while (this.#from <= text.length) {
      this.#pattern.lastIndex = this.#from
      const match = this.#pattern.exec(text)
      if (match === null) break
      this.count += 1
      // An empty match would be found again at the same place.
      this.#from = Math.max(match.index + match[0].length, match.index + 1)
    }
    return this.count > before
  }
}

/**
 * One completion while it arrives: ends where the worker of `torch` would have ended it (`completion.py`), behind
 * the piece that completes a stop or fills a segment.
 */
export class Cutter {
  text = ''
  finish: FinishReason | null = null
  stopName: string | undefined
  readonly ids: number[] = []
  readonly logprobs: number[] = []
  pieces = 0
  readonly #stops: readonly { readonly name: string; readonly count: number; readonly counter: Counter }[]
  readonly #boundary: Counter | null
  readonly #segmentTokens: number
  #inSegment = 0

  constructor({ stops, segment }: Pick<GenerateOptions, 'stops' | 'segment'>) {
    this.#stops = stops.map(({ name, pattern, count }) => ({ name, count, counter: new Counter(pattern) }))
    this.#boundary = segment === undefined ? null : new Counter(segment.boundary)
    this.#segmentTokens = segment?.maxTokens ?? 0
  }

  /** Adds a piece; whether the completion has ended with it. */
  push({ text, id, logprob }: Piece): boolean {
    this.#record(id, logprob)
    this.#inSegment += 1
    if (text !== '') {
      this.text += text
      for (const { name, count, counter } of this.#stops) {
        if (counter.update(this.text) && counter.count >= count) {
          this.stopName = name
          this.finish = 'stop'
          return true
        }
      }
      if (this.#boundary?.update(this.text) === true) this.#inSegment = 0
    }
    if (this.#boundary !== null && this.#inSegment >= this.#segmentTokens) this.finish = 'segment_length'
    return this.finish !== null
  }

  /** The end-of-text token: it has no text and counts in no segment. */
  pushEnd({ id, logprob }: Piece): void {
    this.#record(id, logprob)
  }

  #record(id: number | undefined, logprob: number | undefined): void {
    this.pieces += 1
    if (id !== undefined) this.ids.push(id)
    if (logprob !== undefined) this.logprobs.push(logprob)
  }
}

/** The string that a pattern matches, if it is the only one. */
export function literalOf(pattern: string): string | null {
  const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', f: '\f', v: '\v' }
  let literal = ''
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern[at] ?? ''
    if (character === '\\') {
      at += 1
      const escaped = pattern[at] ?? ''
      const plain = ESCAPES[escaped] ?? (/[\^$.*+?()[\]{}|\\/"'-]/.test(escaped) ? escaped : undefined)
      if (plain === undefined) return null
      literal += plain
    } else if (/[\^$.*+?()[\]{}|]/.test(character)) {
      return null
    } else {
      literal += character
    }
  }
  return literal === '' ? null : literal
}
