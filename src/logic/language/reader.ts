import { failure, type ParseFailure } from './parser.ts'
import { decapitalised, type Words } from './words.ts'

/** Deepest nesting that a grammar follows; far beyond any sentence, and far below the stack. */
export const MAX_DEPTH = 200

/** A cursor over the words of one sentence that remembers the first thing it could not read. */
export class WordReader {
  at = 0
  readonly #words: readonly string[]
  readonly #starts: readonly number[]
  readonly #end: number
  #failure: ParseFailure | null = null

  constructor({ words, starts, end }: Words) {
    this.#words = words
    this.#starts = starts
    this.#end = end
  }

  get count(): number {
    return this.#words.length
  }

  /** The failure that was noted; a grammar function that returns null has always noted one. */
  get failure(): ParseFailure {
    return this.#failure ?? failure('This is not a sentence of the language.', this.position(this.at))
  }

  /** The word at an index, '' behind the last one. */
  word(index: number): string {
    return this.#words[index] ?? ''
  }

  /** As `word`, in lower case where it begins the sentence. */
  inside(index: number): string {
    return index === 0 ? decapitalised(this.word(0)) : this.word(index)
  }

  position(index: number): number {
    return this.#starts[index] ?? this.#end
  }

  slice(from: number, to: number): string[] {
    return this.#words.slice(from, to)
  }

  /** Whether these words come next (a capital at the start of the sentence allowed). */
  sees(...expected: readonly string[]): boolean {
    return expected.every((word, offset) => this.inside(this.at + offset) === word)
  }

  /** Reads these words if they come next. */
  take(...expected: readonly string[]): boolean {
    if (!this.sees(...expected)) return false
    this.at += expected.length
    return true
  }

  /** Notes why the sentence cannot be read, at a word; the first note stays. */
  fail(message: string, index: number = this.at): null {
    this.#failure ??= failure(message, this.position(index))
    return null
  }

  /** Fails unless only a full stop is left. */
  finish(): true | null {
    if (this.word(this.at) === '.') this.at += 1
    if (this.at === this.count) return true
    return this.fail(`"${this.word(this.at)}" was not expected here.`)
  }
}
