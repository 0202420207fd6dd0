import { failure, type ParseFailure } from './parser.ts'

/** A formula split into symbols; `kinds` are connectives, quantifiers, punctuation, or `name`. */
export interface Symbols {
  readonly kinds: readonly string[]
  readonly texts: readonly string[]
  readonly starts: readonly number[]
  readonly end: number
}

/** Longest spellings first, so that "<->" is not read as "<" and "->". */
const SIGNS: readonly (readonly [string, string])[] = [
  ['<->', 'iff'],
  ['<=>', 'iff'],
  ['->', 'implies'],
  ['=>', 'implies'],
  ['&&', 'and'],
  ['||', 'or'],
  ['!=', '≠'],
  ['∀', 'forall'],
  ['∃', 'exists'],
  ['¬', 'not'],
  ['~', 'not'],
  ['!', 'not'],
  ['∧', 'and'],
  ['&', 'and'],
  ['∨', 'or'],
  ['|', 'or'],
  ['⊕', 'xor'],
  ['→', 'implies'],
  ['⟶', 'implies'],
  ['↔', 'iff'],
  ['⟷', 'iff'],
  ['≠', '≠'],
  ['=', '='],
  ['⊥', 'falsum'],
  ['(', '('],
  [')', ')'],
  [',', ','],
  ['.', '.'],
]
const FIRSTS = new Set(SIGNS.map(([sign]) => sign.charAt(0)))
const SIGNS_BY_FIRST = new Map(
  [...FIRSTS].map((first) => [first, SIGNS.filter(([sign]) => sign.startsWith(first))]),
)

const KEYWORDS = new Map([
  ['forall', 'forall'],
  ['exists', 'exists'],
  ['not', 'not'],
  ['and', 'and'],
  ['or', 'or'],
  ['xor', 'xor'],
  ['implies', 'implies'],
  ['iff', 'iff'],
])

/** Letters, digits, "_" and "'"; inside a name also "-" and "." before another of them, and "+" at the end ("c++"). */
const NAME = /[\p{L}\p{N}_](?:[\p{L}\p{M}\p{N}_']|[-.](?=[\p{L}\p{N}_]))*\+*/uy

export function splitSymbols(text: string): Symbols | ParseFailure {
  const kinds: string[] = []
  const texts: string[] = []
  const starts: number[] = []
  let end = 0
  let at = 0
  while (at < text.length) {
    const character = text.charAt(at)
    if (character === ' ' || character === '\t' || character === '\n' || character === '\r') {
      at += 1
      continue
    }
    const sign = SIGNS_BY_FIRST.get(character)?.find(([spelling]) => text.startsWith(spelling, at))
    let symbol = sign?.[0]
    let kind = sign?.[1]
    if (symbol === undefined) {
      NAME.lastIndex = at
      symbol = NAME.exec(text)?.[0]
      kind = symbol === undefined ? undefined : (KEYWORDS.get(symbol) ?? 'name')
    }
    if (symbol === undefined || kind === undefined) {
      return failure(`Unexpected character "${String.fromCodePoint(text.codePointAt(at) ?? 0)}".`, at)
    }
    kinds.push(kind)
    texts.push(symbol)
    starts.push(at)
    at += symbol.length
    end = at
  }
  return { kinds, texts, starts, end }
}
