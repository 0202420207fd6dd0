import { add, divide, multiply, negate, rational } from './rational.ts'
import type { Rational } from './rational.ts'

/**
 * Unsigned numeral: digits with or without thousands separators, and decimals. A comma counts as a separator
 * only if three digits end the integer part (1,000 and 1,00,000, never 3,50). At most 60 digits: longer ones
 * come from degenerate repetition.
 */
export const NUMERAL = /(?:\d{1,3}(?:,\d{2,3}){0,20},\d{3}(?!\d)|\d+)(?:\.\d+)?|\.\d+/
const MAX_DIGITS = 60

/**
 * Value of an unsigned numeral that {@link NUMERAL} matches as a whole (`1,234.50`, `.5`).
 * @returns null if it is none, or has more than 60 digits.
 */
export function numeralValue(text: string): Rational | null {
  const plain = text.replaceAll(',', '')
  if (plain.length > MAX_DIGITS || !/^(?:\d+(?:\.\d+)?|\.\d+)$/.test(plain)) return null
  const [whole = '', decimals = ''] = plain.split('.')
  return rational(BigInt(whole + decimals), 10n ** BigInt(decimals.length))
}

const MINUS = /^[-−–]\s*/
const CURRENCY = /^(?:US)?[$£€₹¥]\s*/
/** Number, then an optional power of ten or a fraction's denominator (`7/14`) or a fraction (`2 1/2`). */
const BODY = new RegExp(
  `^(${NUMERAL.source})(?:[eE]([+-]?\\d{1,3})(?!\\d)|\\s*\\/\\s*(\\d+)(?![\\d.])|\\s+(\\d+)\\/(\\d+)(?![\\d.]))?`,
)
/** What may not follow a number that stands alone: an operator, a range, a time, "and 50 cents". */
const CONTINUES = /^(?:\s*[+*×÷^=]|\s*[-−–/:]\s*[\d$(]|[,.]?\d|[^\d\n]{0,40}\band\s+[$£€]?\d)/

/** A number at the start of a text, and what stands behind it. */
export interface LeadingNumber {
  readonly value: Rational
  readonly rest: string
}

/**
 * Reads the number that a text begins with: `-$1,234.50`, `$-5`, `20%` (the sign is dropped: 20), `7/14`,
 * `2 1/2`, `1.5e3`, `.5`.
 * @returns null if the text begins otherwise, or goes on as an expression, a range or a time.
 */
export function leadingNumber(text: string): LeadingNumber | null {
  let rest = text
  let sign = 1
  const outer = MINUS.exec(rest)
  if (outer !== null) [sign, rest] = [-1, rest.slice(outer[0].length)]
  const currency = CURRENCY.exec(rest)
  if (currency !== null) rest = rest.slice(currency[0].length)
  const inner = sign === 1 ? MINUS.exec(rest) : null
  if (inner !== null) [sign, rest] = [-1, rest.slice(inner[0].length)]
  const match = BODY.exec(rest)
  if (match === null) return null
  const value = bodyValue(match)
  rest = rest.slice(match[0].length).replace(/^\s*[%$€£]/, '')
  if (value === null || CONTINUES.test(rest)) return null
  return { value: sign === 1 ? value : negate(value), rest }
}

function bodyValue(match: RegExpExecArray): Rational | null {
  const [, numeral = '', exponent, denominator, upper, lower] = match
  const number = numeralValue(numeral)
  if (number === null) return null
  if (exponent !== undefined) {
    const digits = Number(exponent)
    const scale = rational(10n ** BigInt(Math.abs(digits)))
    if (scale === null) return null
    return digits < 0 ? divide(number, scale) : multiply(number, scale)
  }
  if (denominator !== undefined) {
    const below = numeralValue(denominator)
    return below === null ? null : divide(number, below)
  }
  if (upper !== undefined && lower !== undefined) {
    const [above, below] = [numeralValue(upper), numeralValue(lower)]
    const fraction = above === null || below === null ? null : divide(above, below)
    return fraction === null ? null : add(number, fraction)
  }
  return number
}

/**
 * Value of a text that is one number and nothing else; a trailing period is allowed.
 * `$ , %` are dropped, so 20% equals 20.
 */
export function parseNumber(text: string): Rational | null {
  const leading = leadingNumber(text.trim())
  return leading !== null && /^\s*\.?$/.test(leading.rest) ? leading.value : null
}
