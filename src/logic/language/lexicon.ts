import { plural, singulars } from './morphology.ts'
import { decapitalised, type Words } from './words.ts'

/** Where a phrase ends. */
const BOUNDARY = new Set(
  ', . is are does do belongs belong and or that not then if also to it assume since'.split(' '),
)

const SINGULAR_DETERMINERS = new Set(['a', 'an', 'each', 'every', 'any', 'no'])

/** Two-word nouns of the official generator whose head says nothing. */
const COMPOUNDS = new Set(['painted lady', 'vascular plant'])

/** Heads that make a two-word noun with whatever stands before: "prime number", "Mersenne prime". */
const COMPOUND_HEADS = new Set(['number', 'prime'])

export function isBoundary(word: string): boolean {
  return BOUNDARY.has(word)
}

/** How a plural noun is resolved: its singular, or why there is none. */
export type Singular =
  | { readonly ok: true; readonly noun: string }
  | { readonly ok: false; readonly message: string }

/**
 * Which words of a theory are nouns and which are properties, from where they stand: a noun follows an
 * article or a determiner or has a plural's form; a property stands before a noun, or bare after "are".
 * A bare word after "is" is evidence for neither, so that a missing article can be seen.
 */
export class Lexicon {
  readonly #nouns = new Set<string>()
  readonly #properties = new Set<string>()

  constructor(sentences: readonly Words[]) {
    for (const sentence of sentences) this.#readSingulars(sentence)
    // Nouns known from the singular decide what a plural means, wherever they stand.
    for (const sentence of sentences) this.#readPlurals(sentence)
  }

  /** Whether `noun` (singular, "natural number") is a class of the theory. */
  hasNoun(noun: string): boolean {
    return this.#nouns.has(noun)
  }

  hasProperty(word: string): boolean {
    return this.#properties.has(word)
  }

  /** Number of words at the end of `words` that make up the noun: 2 for "prime number", otherwise 1. */
  nounLength(words: readonly string[], isPlural: boolean): 1 | 2 {
    const head = words.at(-1)
    const modifier = words.at(-2)
    if (head === undefined || modifier === undefined) return 1
    const heads = isPlural ? singulars(head) : [head]
    const compound = heads.some(
      (noun) => COMPOUND_HEADS.has(noun) || COMPOUNDS.has(`${decapitalised(modifier)} ${noun}`),
    )
    return compound ? 2 : 1
  }

  /** A word at the start of a sentence as it would stand inside: "Mersenne" keeps its capital if it has one elsewhere. */
  insideSentence(first: string, second: string | undefined, isPlural: boolean): string {
    if (second !== undefined) {
      const heads = isPlural ? singulars(second) : [second]
      if (heads.some((head) => this.#nouns.has(`${first} ${head}`))) return first
    }
    return decapitalised(first)
  }

  /** The singular of a plural noun, decided by the nouns that the theory has. */
  singular(word: string, modifier: string): Singular {
    const candidates = singulars(word).map((noun) => modifier + noun)
    const known = candidates.filter((noun) => this.#nouns.has(noun))
    if (known.length > 1)
      return { ok: false, message: `"${word}" is the plural of ${known.join(' and of ')}.` }
    // "Wumpus are red": a noun of the theory that is its own plural's beginning, not the plural of "wumpu".
    const noun = known[0] ?? (this.#nouns.has(modifier + word) ? undefined : candidates[0])
    return noun === undefined ? { ok: false, message: `"${word}" is not a plural noun.` } : { ok: true, noun }
  }

  /** Whether a bare word after "are" is a plural noun; "nervous" and "red" are not. */
  looksPlural(word: string): boolean {
    const candidates = singulars(word)
    if (candidates.some((noun) => this.#nouns.has(noun))) return true
    if (this.#nouns.has(word)) return false
    return candidates.length > 0 && !word.endsWith('ous') && !this.#properties.has(word)
  }

  #readSingulars({ words }: Words): void {
    for (let at = 0; at < words.length; at += 1) {
      const word = words[at] ?? ''
      const determiner = at === 0 ? decapitalised(word) : word
      if (!SINGULAR_DETERMINERS.has(determiner)) continue
      const end = phraseEnd(words, at + 1)
      if (determiner === 'no' && words[end] === 'are') continue
      this.#add(words.slice(at + 1, end))
    }
  }

  #readPlurals({ words }: Words): void {
    for (let at = 0; at < words.length; at += 1) {
      if (words[at] === 'are') {
        this.#addPlural(words.slice(phraseStart(words, at), at), phraseStart(words, at) === 0)
        this.#readPluralPredicate(words, at + 1)
      } else if (words[at] === 'to' && /^belongs?$/.test(words[at - 1] ?? '')) {
        this.#addPlural(words.slice(at + 1, phraseEnd(words, at + 1)), false)
      }
    }
  }

  #readPluralPredicate(words: readonly string[], from: number): void {
    let at = from
    while (at < words.length) {
      const end = phraseEnd(words, at)
      if (words[end] === 'is' || words[end] === 'are') return
      const phrase = words.slice(at, end)
      const last = phrase.at(-1)
      if (last !== undefined && this.looksPlural(last)) this.#addPlural(phrase, false)
      else if (phrase.length === 1 && last !== undefined) this.#properties.add(last)
      at = end + 1
    }
  }

  #addPlural(phrase: readonly string[], isFirst: boolean): void {
    const first = phrase[0] ?? ''
    const start = isFirst && /^all|no$/i.test(first) ? 1 : 0
    const words = phrase.slice(start)
    if (isFirst && start === 0 && words.length > 0) words[0] = this.insideSentence(first, words[1], true)
    const length = this.nounLength(words, true)
    const modifier = length === 2 ? `${words.at(-2)} ` : ''
    const singular = this.singular(words.at(-1) ?? '', modifier)
    if (singular.ok) this.#add([...words.slice(0, words.length - length), ...singular.noun.split(' ')])
  }

  #add(phrase: readonly string[]): void {
    if (phrase.length === 0) return
    const length = this.nounLength(phrase, false)
    this.#nouns.add(phrase.slice(-length).join(' '))
    for (const adjective of phrase.slice(0, -length)) this.#properties.add(adjective)
  }
}

/** Plural of a noun of one or two words: "natural number" -> "natural numbers". */
export function pluralNoun(noun: string): string {
  const space = noun.lastIndexOf(' ')
  return noun.slice(0, space + 1) + plural(noun.slice(space + 1))
}

function phraseEnd(words: readonly string[], from: number): number {
  let at = from
  while (at < words.length && !isBoundary(words[at] ?? '')) at += 1
  return at
}

function phraseStart(words: readonly string[], from: number): number {
  let at = from
  while (at > 0 && !isBoundary(words[at - 1] ?? '')) at -= 1
  return at
}
