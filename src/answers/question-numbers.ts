import { NUMERAL, numeralValue } from './number.ts'
import { add, divide, equal, HUNDRED, multiply, ONE, subtract } from './rational.ts'
import type { Rational } from './rational.ts'

/**
 * How a solution may write a number of the question: as it is, inverted (half of: 2 or 0.5), as a percentage
 * (20%: 20, 0.2, 1.2, 0.8, 120, 80), or in thousands (25k: 25000). Null where undefined.
 */
type Form = (value: Rational) => Rational | null

/** A distinct number of a question, with the forms in which a solution may use it. */
export interface QuestionNumber {
  readonly value: Rational
  readonly forms: readonly Form[]
}

const plain: Form = (value) => value
const inverse: Form = (value) => divide(ONE, value)
const thousands: Form = (value) => multiply(value, integer(1000n))
const PERCENT_FORMS: readonly Form[] = [
  (value) => divide(value, HUNDRED),
  (value) => add(HUNDRED, value),
  (value) => subtract(HUNDRED, value),
  (value) => hundredth(add(HUNDRED, value)),
  (value) => hundredth(subtract(HUNDRED, value)),
]

const SMALL =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
    ' ',
  )
const TENS = '- - twenty thirty forty fifty sixty seventy eighty ninety'.split(' ')
const SCALES: Readonly<Record<string, bigint>> = { hundred: 100n, thousand: 1000n, million: 1_000_000n }
/** Words for a number that solutions also write inverted. */
const INVERTIBLE: Readonly<Record<string, bigint>> = {
  half: 2n,
  halves: 2n,
  twice: 2n,
  double: 2n,
  doubled: 2n,
  doubles: 2n,
  thrice: 3n,
  triple: 3n,
  tripled: 3n,
  triples: 3n,
  third: 3n,
  thirds: 3n,
  quarter: 4n,
  quarters: 4n,
  fourth: 4n,
  fourths: 4n,
  fifth: 5n,
  fifths: 5n,
  sixth: 6n,
  eighth: 8n,
  tenth: 10n,
}
const PLAIN_WORDS: Readonly<Record<string, bigint>> = { dozen: 12n, dozens: 12n, couple: 2n, pair: 2n }

const PIECE = new RegExp(
  `(?<number>${NUMERAL.source})(?<suffix>\\s?%|\\s?percent\\b|[kK]\\b)?|(?<word>[a-z]+)`,
  'giu',
)

/**
 * The distinct numbers of a question: numerals, and numbers in words (twenty-five, three hundred, half,
 * twice, a dozen). Equal numbers are one: nothing in a solution says which of two threes it uses.
 */
export function questionNumbers(question: string): QuestionNumber[] {
  const found = new Map<string, { value: Rational; forms: Set<Form> }>()
  const note = (value: Rational | null, forms: readonly Form[]) => {
    if (value === null) return
    const key = `${value.numerator}/${value.denominator}`
    const entry = found.get(key) ?? { value, forms: new Set<Form>([plain]) }
    for (const form of forms) entry.forms.add(form)
    found.set(key, entry)
  }
  let spoken: Spoken | null = null
  for (const match of question.matchAll(PIECE)) {
    const word = match.groups?.['word']?.toLowerCase()
    const longer: Spoken | null = word === undefined || spoken === null ? null : extend(spoken, word)
    if (spoken !== null && longer === null) note(spokenValue(spoken), [])
    spoken = longer ?? (word === undefined ? null : begin(word))
    if (word === undefined) note(numeralValue(match.groups?.['number'] ?? ''), formsOf(match))
    else if (Object.hasOwn(INVERTIBLE, word)) note(integer(INVERTIBLE[word] ?? 1n), [inverse])
    else if (Object.hasOwn(PLAIN_WORDS, word)) note(integer(PLAIN_WORDS[word] ?? 1n), [])
  }
  if (spoken !== null) note(spokenValue(spoken), [])
  return [...found.values()].map(({ value, forms }) => ({ value, forms: [...forms] }))
}

/** The form in which a number is this question number; undefined if in none. */
export function formOf(number: QuestionNumber, written: Rational): Form | undefined {
  return number.forms.find((form) => {
    const value = form(number.value)
    return value !== null && equal(value, written)
  })
}

function formsOf(match: RegExpExecArray): readonly Form[] {
  const suffix = match.groups?.['suffix']?.trim().toLowerCase()
  if (suffix === undefined) return []
  return suffix === 'k' ? [thousands] : PERCENT_FORMS
}

/** A number in words, so far: `thousands` + `rest`; `open` is what the next word may still add to. */
interface Spoken {
  readonly thousands: bigint
  readonly rest: bigint
  /** The next word must be below this: "twenty" takes one to nine, "hundred" one to ninety-nine. */
  readonly open: bigint
}

function begin(word: string): Spoken | null {
  const small = SMALL.indexOf(word)
  if (small >= 0) return { thousands: 0n, rest: BigInt(small), open: 1n }
  const tens = TENS.indexOf(word)
  if (tens >= 2) return { thousands: 0n, rest: BigInt(10 * tens), open: 10n }
  // "a hundred"
  return Object.hasOwn(SCALES, word) ? extend({ thousands: 0n, rest: 1n, open: 1n }, word) : null
}

/** The number with one more word; null if the word does not continue it. */
function extend(spoken: Spoken, word: string): Spoken | null {
  const scale = Object.hasOwn(SCALES, word) ? (SCALES[word] ?? 1n) : null
  if (scale === 100n) return { ...spoken, rest: spoken.rest * scale, open: scale }
  if (scale !== null) return { thousands: (spoken.thousands + spoken.rest) * scale, rest: 0n, open: scale }
  if (word === 'and') return spoken.open >= 100n ? spoken : null
  const next = begin(word)
  if (next === null || next.rest >= spoken.open) return null
  return { ...spoken, rest: spoken.rest + next.rest, open: next.open }
}

function spokenValue(spoken: Spoken): Rational {
  return integer(spoken.thousands + spoken.rest)
}

function integer(value: bigint): Rational {
  return { numerator: value, denominator: 1n }
}

function hundredth(value: Rational | null): Rational | null {
  return value === null ? null : divide(value, HUNDRED)
}
