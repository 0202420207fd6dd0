import { add, compare, HUNDRED, multiply, negate, ONE, rational, subtract } from '../rational.ts'
import type { Rational } from '../rational.ts'
import { evaluate, isCompound } from './expression.ts'
import type { Expression } from './expression.ts'
import type { Side, Statement } from './read.ts'

/** Relative difference below which two numbers are one: floating-point noise such as 99.00000000000001. */
const NOISE = rational(1n, 10n ** 9n) ?? ONE

/** How many equations a statement makes, and how many of them hold. */
export interface Verdict {
  readonly equations: number
  readonly holding: number
}

/**
 * Judges each equation of a statement. A computed side and a stated number agree if they are equal, or if
 * the number is the computed value rounded to the decimals that it shows (one or more; with two or more
 * also cut off there; to an integer only behind an "approximately equal").
 *
 * An annotation holds only if the prose around it holds too, and the number repeated behind it is its
 * result or that rounded to an integer. A statement that cannot be read is one equation that does not hold.
 */
export function judge(statement: Statement): Verdict {
  if (statement.sides.length === 0) return { equations: 1, holding: 0 }
  if (statement.source === 'text') return judgeSides(statement.sides, isComputed)
  const verdict = judgeSides(statement.sides, () => true)
  return repeats(statement) && proseHolds(statement) ? verdict : { ...verdict, holding: 0 }
}

function judgeSides(sides: readonly Side[], counts: (left: Side, right: Side) => boolean): Verdict {
  let [equations, holding] = [0, 0]
  sides.forEach((right, index) => {
    const left = sides[index - 1]
    if (left === undefined || !counts(left, right)) return
    equations++
    if (holds(left, right)) holding++
  })
  return { equations, holding }
}

/** Whether a side computes something; "60 minutes = 1 hour" is no equation. */
function isComputed(left: Side, right: Side): boolean {
  return isCompound(left.expression) || isCompound(right.expression)
}

function repeats({ sides, repeated }: Statement): boolean {
  const result = sides.at(-1)
  const value = result === undefined ? null : evaluate(result.expression)
  if (result === undefined || repeated === null || value === null) return true
  return holds(result, { ...result, expression: repeated }) || isNeighbour(repeated.value, value)
}

/** The integer below or above a number that is none. */
function isNeighbour(integer: Rational, value: Rational): boolean {
  const difference = subtract(integer, value)
  return integer.denominator === 1n && difference !== null && compare(absolute(difference), ONE) < 0
}

function proseHolds({ sides, prose, repeated }: Statement): boolean {
  const result = sides.at(-1)
  if (prose.length === 0 || result === undefined) return true
  // Where the prose repeats the result rounded, the unrounded one is what must follow from the prose.
  const rounds = repeated !== null && !holds(result, { ...result, expression: repeated })
  const judged = rounds ? [...prose.slice(0, -1), result] : prose
  const verdict = judgeSides(judged, isComputed)
  return verdict.holding === verdict.equations
}

function holds(left: Side, right: Side): boolean {
  const [a, b] = [evaluate(left.expression), evaluate(right.expression)]
  if (a === null || b === null) return false
  if (agree(a, b, left, right)) return true
  if (left.money !== null && right.money !== null && left.money !== right.money) {
    const cents = multiply(left.money === 'dollars' ? a : b, HUNDRED)
    return (
      cents !== null &&
      agree(...(left.money === 'dollars' ? ([cents, b] as const) : ([a, cents] as const)), left, right)
    )
  }
  // 100 - 20 = 80% and 100% - 20% = 80: the sign of percent stands on one side only.
  const [leftPercent, rightPercent] = [inPercent(left.expression), inPercent(right.expression)]
  if (leftPercent === rightPercent) return false
  const scaledA = leftPercent ? multiply(a, HUNDRED) : a
  const scaledB = rightPercent ? multiply(b, HUNDRED) : b
  return scaledA !== null && scaledB !== null && agree(scaledA, scaledB, left, right)
}

function agree(a: Rational, b: Rational, left: Side, right: Side): boolean {
  if (compare(a, b) === 0 || nearlyEqual(a, b)) return true
  const stated = isCompound(right.expression) ? left : right
  if (isCompound(stated.expression)) return false
  return isRounding(
    stated === right ? a : b,
    stated === right ? b : a,
    decimalsOf(stated.expression),
    right.approximate,
  )
}

function nearlyEqual(a: Rational, b: Rational): boolean {
  const difference = subtract(a, b)
  const allowed = multiply(a, NOISE)
  return difference !== null && allowed !== null && compare(absolute(difference), absolute(allowed)) <= 0
}

function isRounding(exact: Rational, stated: Rational, decimals: number, approximate: boolean): boolean {
  if (decimals === 0 && !approximate) return false
  const unit = rational(1n, 10n ** BigInt(decimals))
  const difference = subtract(exact, stated)
  if (unit === null || difference === null) return false
  const distance = absolute(difference)
  const twice = add(distance, distance)
  if (twice !== null && compare(twice, unit) <= 0) return true
  const cutOff = compare(absolute(stated), absolute(exact)) < 0 && compare(distance, unit) < 0
  return decimals >= 2 && cutOff
}

function absolute(a: Rational): Rational {
  return a.numerator < 0n ? negate(a) : a
}

function decimalsOf(expression: Expression): number {
  if (expression.kind === 'number') return expression.decimals
  if (expression.kind === 'operation') return 0
  // 33.3% shows three decimals of the number that it is
  return decimalsOf(expression.body) + (expression.kind === 'percent' ? 2 : 0)
}

/** A percentage, or percentages added to and subtracted from each other. */
function inPercent(expression: Expression): boolean {
  if (expression.kind === 'percent') return true
  if (expression.kind !== 'operation') return expression.kind === 'negation' && inPercent(expression.body)
  // 3 / 21 * 100%
  if (expression.operator === '*') return inPercent(expression.right) && !isCompound(expression.right)
  const sums = expression.operator === '+' || expression.operator === '-'
  return sums && inPercent(expression.left) && inPercent(expression.right)
}
