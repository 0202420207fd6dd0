import { add, divide, HUNDRED, multiply, negate, power, subtract } from '../rational.ts'
import type { Rational } from '../rational.ts'

export type Operator = '+' | '-' | '*' | '/' | '^'

/** A number as it is written in an equation. */
export interface Leaf {
  readonly kind: 'number'
  /** As written; of 20% it is 20. */
  readonly value: Rational
  /** Digits behind the decimal point. */
  readonly decimals: number
}

/** An arithmetic expression. At most {@link MAX_OPERATIONS} deep, so recursion over it is safe. */
export type Expression =
  | Leaf
  | { readonly kind: 'negation' | 'percent'; readonly body: Expression }
  | {
      readonly kind: 'operation'
      readonly operator: Operator
      readonly left: Expression
      readonly right: Expression
    }

/** Operations that one expression may hold; longer ones come from degenerate repetition and are refused. */
export const MAX_OPERATIONS = 256

/**
 * Exact value, with each number replaced by what `read` gives for it.
 * @returns null when it is undefined (division by zero), too large, or rests on such a number.
 */
export function evaluate(
  expression: Expression,
  read: (leaf: Leaf) => Rational | null = (leaf) => leaf.value,
): Rational | null {
  if (expression.kind === 'number') return read(expression)
  if (expression.kind === 'operation') {
    const left = evaluate(expression.left, read)
    const right = left === null ? null : evaluate(expression.right, read)
    return left === null || right === null ? null : APPLY[expression.operator](left, right)
  }
  const body = evaluate(expression.body, read)
  if (body === null) return null
  return expression.kind === 'negation' ? negate(body) : divide(body, HUNDRED)
}

const APPLY: Readonly<Record<Operator, (left: Rational, right: Rational) => Rational | null>> = {
  '+': add,
  '-': subtract,
  '*': multiply,
  '/': divide,
  '^': power,
}

/** The numbers of an expression, from left to right. */
export function leaves(expression: Expression): Leaf[] {
  if (expression.kind === 'number') return [expression]
  if (expression.kind === 'operation') return [...leaves(expression.left), ...leaves(expression.right)]
  return leaves(expression.body)
}

/** Whether the expression computes something; a signed number or a percentage alone does not. */
export function isCompound(expression: Expression): boolean {
  if (expression.kind === 'number') return false
  return expression.kind === 'operation' || isCompound(expression.body)
}
