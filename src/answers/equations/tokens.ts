import { NUMERAL, numeralValue } from '../number.ts'
import { add, divide, rational } from '../rational.ts'
import type { Rational } from '../rational.ts'
import type { Operator } from './expression.ts'

/** `glued`: nothing stands between this token and the one before; `tight`: nor between it and the next. */
interface Place {
  readonly glued: boolean
  readonly tight: boolean
}

export type Token = Place &
  (
    | { readonly kind: 'number'; readonly value: Rational; readonly decimals: number }
    /** `word`: an operator in words or the letter x, which may also be a unit or a name. */
    | { readonly kind: 'operator'; readonly operator: Operator; readonly word: boolean }
    | { readonly kind: 'open' | 'close' | 'percent' | 'currency' }
    /** `weak`: "is" and "are", an equals sign only behind something that is computed. */
    | { readonly kind: 'equals'; readonly approximate: boolean; readonly weak: boolean }
    /** In lower case, single letters excepted. */
    | { readonly kind: 'word'; readonly text: string }
    /** The inside of `<<...>>`. */
    | { readonly kind: 'annotation'; readonly text: string }
    /** Punctuation; nothing is read across it. */
    | { readonly kind: 'stop' }
  )

const PARTS: Readonly<Record<string, number>> = {
  half: 2,
  halves: 2,
  third: 3,
  thirds: 3,
  quarter: 4,
  quarters: 4,
  fourth: 4,
  fourths: 4,
  fifth: 5,
  fifths: 5,
  sixth: 6,
  sixths: 6,
  eighth: 8,
  eighths: 8,
  tenth: 10,
  tenths: 10,
}
const COUNTS: Readonly<Record<string, number>> = {
  a: 1,
  one: 1,
  two: 2,
  three: 3,
  four: 4,
  five: 5,
  seven: 7,
}
const MULTIPLES: Readonly<Record<string, number>> = { twice: 2, double: 2, triple: 3, thrice: 3 }
const VULGAR: Readonly<Record<string, string>> = {
  '½': '1/2',
  '¼': '1/4',
  '¾': '3/4',
  '⅓': '1/3',
  '⅔': '2/3',
}
const WORD_OPERATORS: Readonly<Record<string, Operator>> = {
  x: '*',
  times: '*',
  multiplied: '*',
  divided: '/',
  plus: '+',
  minus: '-',
}
const SIGNS: Readonly<Record<string, Operator>> = {
  '+': '+',
  '-': '-',
  '−': '-',
  '–': '-',
  '*': '*',
  '×': '*',
  '·': '*',
  '⋅': '*',
  '/': '/',
  '÷': '/',
  '^': '^',
}

const SCANNER = new RegExp(
  [
    '(?<annotation><<[^<>]*>>)',
    // A time of day is no number.
    '(?<time>\\d{1,2}:\\d{2}(?!\\d))',
    '(?<mixed>\\d{1,9}(?: and)? \\d{1,4}\\/\\d{1,4}(?![\\d.]))',
    // $350 500, 18 000
    '(?<spaced>(?<=[$€£])\\d{1,3}(?: \\d{3})+(?!\\d)|\\d{1,3}(?: \\d{3})* 000(?!\\d))',
    // 25 / 1/3 divides by a third.
    '(?<fraction>(?<=[/÷] )\\d{1,9}\\/\\d{1,9}(?![\\d./]))',
    `(?<number>${NUMERAL.source})`,
    `(?<part>\\b(?:(?:${Object.keys(COUNTS).join('|')})[ -])?(?:${Object.keys(PARTS).join('|')}) of\\b)`,
    "(?<word>[\\p{L}_]+(?:['’]\\p{L}+)*)",
    '(?<power>\\*\\*(?=[ ]?\\d))',
    '(?<sign>[-+−–*×·⋅/÷^])',
    '(?<equals>[=≈])',
    '(?<open>[([{])',
    '(?<close>[)\\]}])',
    '(?<currency>[$€£¢₹°])',
    '(?<percent>%)',
    '(?<space>[ \\t]+)',
    '(?<other>.)',
  ].join('|'),
  'giu',
)

/** LaTeX, typographic fractions and emphasis as plain text. */
function normalise(text: string): string {
  return text
    .replaceAll(/\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}/g, '(($1)/($2))')
    .replaceAll(/\\(?:times|cdot)\b/g, '*')
    .replaceAll(/\\div\b/g, '/')
    .replaceAll(/\\approx\b/g, '≈')
    .replaceAll(/\\(?:[()[\]]|text\b|left\b|right\b|boxed\b)|\\(?=[%$])/g, '')
    .replaceAll(/[½¼¾⅓⅔]/g, (sign) => ` ${VULGAR[sign] ?? ''}`)
    .replaceAll(/(?<!\d)\*\*|\*\*(?! ?\d)/g, '')
}

/** Tokens of one line of a solution. Linear time. */
export function tokenise(line: string): Token[] {
  const text = normalise(line)
  const tokens: Token[] = []
  for (const match of text.matchAll(SCANNER)) {
    if (match.groups?.['space'] !== undefined) continue
    const end = match.index + match[0].length
    const place = {
      glued: match.index > 0 && !/\s/.test(text[match.index - 1] ?? ' '),
      tight: !/\s/.test(text[end] ?? ' '),
    }
    tokens.push(...tokensOf(match, place, text.slice(end, end + 2)))
  }
  return tokens
}

function tokensOf(match: RegExpExecArray, place: Place, next: string): Token[] {
  const text = match[0]
  const groups = match.groups ?? {}
  if (groups['annotation'] !== undefined) return [{ kind: 'annotation', text: text.slice(2, -2), ...place }]
  if (groups['mixed'] !== undefined) return [mixedToken(text, place)]
  if (groups['fraction'] !== undefined) return [mixedToken(`0 ${text}`, place)]
  if (groups['spaced'] !== undefined) return [numberToken(text.replaceAll(' ', ''), place)]
  if (groups['number'] !== undefined) return [numberToken(text, place)]
  if (groups['part'] !== undefined) return partTokens(text, place)
  if (groups['word'] !== undefined) return wordTokens(text, place)
  if (groups['power'] !== undefined) return [{ kind: 'operator', operator: '^', word: false, ...place }]
  if (groups['sign'] !== undefined) return signTokens(text, place, next)
  if (groups['equals'] !== undefined) {
    return [{ kind: 'equals', approximate: text === '≈', weak: false, ...place }]
  }
  for (const kind of ['open', 'close', 'currency', 'percent'] as const) {
    if (groups[kind] !== undefined) return [{ kind, ...place }]
  }
  return [{ kind: 'stop', ...place }]
}

function numberToken(text: string, place: Place): Token {
  const value = numeralValue(text)
  if (value === null) return { kind: 'stop', ...place }
  return { kind: 'number', value, decimals: text.split('.')[1]?.length ?? 0, ...place }
}

/** 2 1/2, 1 and 1/4 */
function mixedToken(text: string, place: Place): Token {
  const [whole = '', above = '', below = ''] = text.replace(' and', '').split(/[ /]/)
  const part = rational(BigInt(above), BigInt(below))
  const value = part === null ? null : add(integer(BigInt(whole)), part)
  return value === null ? { kind: 'stop', ...place } : { kind: 'number', value, decimals: 0, ...place }
}

/** "half of", "two thirds of": the fraction, times. */
function partTokens(text: string, place: Place): Token[] {
  const words = text.toLowerCase().split(/[ -]/)
  const above = BigInt(words.length === 3 ? (COUNTS[words[0] ?? ''] ?? 1) : 1)
  const value = divide(integer(above), integer(BigInt(PARTS[words.at(-2) ?? ''] ?? 1)))
  if (value === null) return []
  return [
    { kind: 'number', value, decimals: 0, ...place },
    { kind: 'operator', operator: '*', word: true, ...place },
  ]
}

function wordTokens(word: string, place: Place): Token[] {
  const text = word.toLowerCase()
  const operator = Object.hasOwn(WORD_OPERATORS, text) ? WORD_OPERATORS[text] : undefined
  if (operator !== undefined) return [{ kind: 'operator', operator, word: true, ...place }]
  const multiple = Object.hasOwn(MULTIPLES, text) ? MULTIPLES[text] : undefined
  if (multiple !== undefined) {
    return [
      { kind: 'number', value: integer(BigInt(multiple)), decimals: 0, ...place },
      { kind: 'operator', operator: '*', word: true, ...place },
    ]
  }
  if (text === 'percent') return [{ kind: 'percent', ...place }]
  if (text === 'equals') return [{ kind: 'equals', approximate: false, weak: false, ...place }]
  if (text === 'is' || text === 'are') return [{ kind: 'equals', approximate: false, weak: true, ...place }]
  return [{ kind: 'word', text: word.length === 1 ? word : text, ...place }]
}

/** A hyphen inside a word (60-mile) is nothing, and a slash before one (legs/spider) is "per". */
function signTokens(text: string, place: Place, next: string): Token[] {
  const operator = SIGNS[text]
  const beforeWord = place.glued && /^\p{L}{2}/u.test(next)
  if (beforeWord && (operator === '-' || text === '/')) return []
  return operator === undefined ? [] : [{ kind: 'operator', operator, word: false, ...place }]
}

function integer(value: bigint): Rational {
  return { numerator: value, denominator: 1n }
}
