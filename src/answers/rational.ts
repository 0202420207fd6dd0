/**
 * Exact rational numbers. Answers are compared and equations re-executed in these, so that 0.1 + 0.2 is 0.3
 * and 55.50 is 55.5. Always in lowest terms with a positive denominator, so equality is by component.
 */
export interface Rational {
  readonly numerator: bigint
  readonly denominator: bigint
}

/** Numbers above this many bits are refused: repeated squaring in a hostile text would grow without bound. */
export const MAX_BITS = 1024
const LIMIT = 1n << BigInt(MAX_BITS)

/** @returns null when the denominator is zero or the number exceeds {@link MAX_BITS}. */
export function rational(numerator: bigint, denominator: bigint = 1n): Rational | null {
  if (denominator === 0n) return null
  const sign = denominator < 0n ? -1n : 1n
  const divisor = sign * gcd(numerator, denominator)
  const reduced = { numerator: numerator / divisor, denominator: denominator / divisor }
  const tooLarge = reduced.denominator > LIMIT || reduced.numerator > LIMIT || reduced.numerator < -LIMIT
  return tooLarge ? null : reduced
}

/** Greatest common divisor, at least 1. */
function gcd(a: bigint, b: bigint): bigint {
  let x = a < 0n ? -a : a
  let y = b < 0n ? -b : b
  while (y !== 0n) [x, y] = [y, x % y]
  return x === 0n ? 1n : x
}

export function add(a: Rational, b: Rational): Rational | null {
  return rational(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator)
}

export function subtract(a: Rational, b: Rational): Rational | null {
  return add(a, negate(b))
}

export function multiply(a: Rational, b: Rational): Rational | null {
  return rational(a.numerator * b.numerator, a.denominator * b.denominator)
}

/** @returns null when `b` is zero. */
export function divide(a: Rational, b: Rational): Rational | null {
  return rational(a.numerator * b.denominator, a.denominator * b.numerator)
}

/** Integer powers only; @returns null for other exponents, 0 to a negative power, and results too large. */
export function power(base: Rational, exponent: Rational): Rational | null {
  if (exponent.denominator !== 1n) return null
  const size = exponent.numerator < 0n ? -exponent.numerator : exponent.numerator
  if (size > BigInt(MAX_BITS)) return null
  let result: Rational | null = ONE
  for (let i = 0n; i < size && result !== null; i++) result = multiply(result, base)
  return result !== null && exponent.numerator < 0n ? divide(ONE, result) : result
}

export function negate(a: Rational): Rational {
  return { numerator: -a.numerator, denominator: a.denominator }
}

export function equal(a: Rational, b: Rational): boolean {
  return a.numerator === b.numerator && a.denominator === b.denominator
}

/** -1, 0 or 1. */
export function compare(a: Rational, b: Rational): number {
  const difference = a.numerator * b.denominator - b.numerator * a.denominator
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** The greatest integer that is not above `a`. */
export function floor(a: Rational): bigint {
  const quotient = a.numerator / a.denominator
  return a.numerator < 0n && a.numerator % a.denominator !== 0n ? quotient - 1n : quotient
}

export const ZERO: Rational = { numerator: 0n, denominator: 1n }
export const ONE: Rational = { numerator: 1n, denominator: 1n }
export const HUNDRED: Rational = { numerator: 100n, denominator: 1n }

/** A decimal where it terminates (`18`, `-55.5`), otherwise a fraction in lowest terms (`1/3`). */
export function format(a: Rational): string {
  let decimals = 0
  let rest = a.denominator
  let twos = 0
  let fives = 0
  for (; rest % 2n === 0n; rest /= 2n) twos++
  for (; rest % 5n === 0n; rest /= 5n) fives++
  if (rest !== 1n) return `${a.numerator}/${a.denominator}`
  decimals = Math.max(twos, fives)
  if (decimals === 0) return String(a.numerator)
  const scaled = (a.numerator * 10n ** BigInt(decimals)) / a.denominator
  const digits = String(scaled < 0n ? -scaled : scaled).padStart(decimals + 1, '0')
  return `${scaled < 0n ? '-' : ''}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`
}
