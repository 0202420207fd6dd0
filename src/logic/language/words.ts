import { failure, type ParseFailure } from './parser.ts'

/** A sentence split into words and the punctuation `,` `.`, each with its offset in the text. */
export interface Words {
  readonly words: readonly string[]
  readonly starts: readonly number[]
  /** Offset behind the last word; where "more was expected" points to. */
  readonly end: number
}

const LETTER = /[\p{L}\p{M}\p{N}]/u

/** ASCII letters, digits, hyphen and apostrophe. */
const WORD_UNIT = new Uint8Array(128)
for (const unit of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-'") {
  WORD_UNIT[unit.charCodeAt(0)] = 1
}

/**
 * Splits text without changing it: letters outside ASCII stay what they are, so a look-alike letter makes
 * another word.
 */
export function splitWords(text: string): Words | ParseFailure {
  const words: string[] = []
  const starts: number[] = []
  let end = 0
  let at = 0
  while (at < text.length) {
    const unit = text.charCodeAt(at)
    if (unit === 32 || unit === 10 || unit === 9 || unit === 13) {
      at += 1
      continue
    }
    const start = at
    at = wordEnd(text, at)
    if (at === start) {
      if (unit !== 44 && unit !== 46) {
        return failure(`Unexpected character "${String.fromCodePoint(text.codePointAt(at) ?? 0)}".`, at)
      }
      at += 1
    }
    words.push(text.slice(start, at))
    starts.push(start)
    end = at
  }
  return { words, starts, end }
}

function wordEnd(text: string, from: number): number {
  let at = from
  while (at < text.length) {
    const unit = text.charCodeAt(at)
    if (unit < 128) {
      if (WORD_UNIT[unit] !== 1) break
      at += 1
    } else {
      const letter = String.fromCodePoint(text.codePointAt(at) ?? 0)
      if (!LETTER.test(letter)) break
      at += letter.length
    }
  }
  return at
}

/** The word with its first letter in lower case: how it would stand inside a sentence. */
export function decapitalised(word: string): string {
  return word.charAt(0).toLowerCase() + word.slice(1)
}

export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** Words that begin with a capital at the start of a sentence and yet name nobody. */
const NOT_NAMES = new Set(
  `it he she they this that these those there we you i him her them its his their who which what
  something someone somebody anything anyone anybody everything everyone everybody nothing nobody none
  a an the each every all any no some most many few both either neither not if then and or but so since
  because therefore thus hence however assume suppose let is are does do prove true false`.split(/\s+/),
)

/** Whether the word can name an individual: it starts with a capital letter, or is a number. */
export function isName(word: string): boolean {
  const unit = word.charCodeAt(0)
  if (unit >= 48 && unit <= 57) return /^\d+$/.test(word)
  const capital = unit < 128 ? unit >= 65 && unit <= 90 : /^\p{Lu}/u.test(word)
  return capital && !NOT_NAMES.has(word.toLowerCase())
}
