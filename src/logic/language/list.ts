import type { WordReader } from './reader.ts'

/**
 * The separators of a coordination: "A and B or C" is ambiguous and refused, "A, B, and C" takes the connective
 * before its last item. One `ListReader` per list; call `next` after each item.
 */
export class ListReader {
  connective: 'and' | 'or' = 'and'
  failed = false
  readonly #reader: WordReader
  #fixed = false
  #commas = 0

  constructor(reader: WordReader) {
    this.#reader = reader
  }

  /** Reads a separator if an item follows it (`continues`, asked at the item's index); false at the list's end. */
  next(continues: (index: number) => boolean): boolean {
    const reader = this.#reader
    const comma = reader.word(reader.at) === ','
    const at = comma ? reader.at + 1 : reader.at
    const word = reader.word(at)
    const conjunction = word === 'and' || word === 'or' ? word : null
    const item = conjunction === null ? at : at + 1
    const separated = comma || conjunction !== null
    const ends = !separated || word === 'then' || item >= reader.count || !continues(item)
    if (ends) {
      // Commas alone do not say whether the list is a conjunction; behind "and" they belong to something else.
      if (this.#commas > 0 && !this.#fixed) this.#refuse('A list needs "and" or "or" before its last item.')
      return false
    }
    if (conjunction === null) {
      if (this.#fixed) return false
      this.#commas += 1
    } else {
      if (this.#fixed && this.connective !== conjunction) {
        return this.#refuse('A list with both "and" and "or" is ambiguous.')
      }
      this.connective = conjunction
      this.#fixed = true
    }
    reader.at = item
    return true
  }

  #refuse(message: string): false {
    this.failed = true
    this.#reader.fail(message)
    return false
  }
}
