import { evaluate, isCompound, leaves } from './equations/expression.ts'
import type { Expression, Leaf } from './equations/expression.ts'
import type { Statement } from './equations/read.ts'
import { formOf, questionNumbers } from './question-numbers.ts'
import type { QuestionNumber } from './question-numbers.ts'
import { add, compare, equal, HUNDRED, multiply, ONE, rational, subtract } from './rational.ts'
import type { Rational } from './rational.ts'

/**
 * Added to a question's number, one after the other: two, so that a change which happens to cancel is not
 * missed.
 */
const PERTURBATIONS: readonly Rational[] = [ONE, rational(7n) ?? ONE]

/** Where a number of an equation comes from; other numbers are constants. */
type Source =
  | { readonly kind: 'result'; readonly index: number }
  | { readonly kind: 'question'; readonly number: QuestionNumber; readonly form: Form }
type Form = QuestionNumber['forms'][number]

/** Which of a question's numbers a solution uses, and which of those its final answer depends on. */
export interface Dependence {
  readonly used: number
  /** Of these, how many change the final answer when they are changed and the equations re-executed. */
  readonly reaching: number
}

/**
 * Re-executes a solution with each question number that it uses changed by +1 and by +7, exactly and without
 * rounding. The final answer is the result of the last equation that states it, or the last equation's result
 * rounded to an integer; an answer that no equation gives depends on nothing.
 * @param answer null if the solution has no answer.
 */
export function traceDependence(
  statements: readonly Statement[],
  question: string,
  answer: Rational | null,
): Dependence {
  const graph = new Graph(questionNumbers(question))
  for (const statement of statements) graph.add(statement)
  const used = graph.usedNumbers()
  const end = answer === null ? -1 : graph.resultOf(answer)
  const before = end < 0 ? null : graph.execute(end)
  const reaching = [...used].filter(
    (number) =>
      end >= 0 &&
      PERTURBATIONS.some((change) => {
        const after = graph.execute(end, { number, change })
        return before === null || after === null ? before !== after : !equal(before, after)
      }),
  )
  return { used: used.size, reaching: reaching.length }
}

/** Equations in order, each number tied to the earlier result or the question's number that it repeats. */
class Graph {
  readonly #numbers: readonly QuestionNumber[]
  readonly #definitions: Expression[] = []
  readonly #stated: Rational[][] = []
  readonly #sources = new Map<Leaf, Source>()
  /** Latest equation that states a value, and whether a later one has used it. */
  readonly #results = new Map<string, { readonly index: number; used: boolean }>()

  constructor(numbers: readonly QuestionNumber[]) {
    this.#numbers = numbers
  }

  add({ sides, repeated }: Statement): void {
    const definition = (sides.find((side) => isCompound(side.expression)) ?? sides[0])?.expression
    if (definition === undefined) return
    for (const leaf of leaves(definition)) {
      const source = this.#sourceOf(leaf)
      if (source !== undefined) this.#sources.set(leaf, source)
    }
    const stated = sides.flatMap(({ expression }) =>
      expression === definition ? [] : statedValues(expression),
    )
    if (repeated !== null) stated.push(repeated.value)
    const index = this.#definitions.push(definition) - 1
    this.#stated.push(stated)
    for (const value of stated) this.#results.set(key(value), { index, used: false })
  }

  /**
   * A number is the latest result of this value that nothing has used yet, else the question's, else a result
   * used before: intermediate results are made to be used, and mostly once.
   */
  #sourceOf(leaf: Leaf): Source | undefined {
    const result = this.#results.get(key(leaf.value))
    if (result === undefined || result.used) {
      for (const number of this.#numbers) {
        const form = formOf(number, leaf.value)
        if (form !== undefined) return { kind: 'question', number, form }
      }
    }
    if (result === undefined) return undefined
    result.used = true
    return { kind: 'result', index: result.index }
  }

  usedNumbers(): Set<QuestionNumber> {
    const used = new Set<QuestionNumber>()
    for (const source of this.#sources.values()) if (source.kind === 'question') used.add(source.number)
    return used
  }

  /** Index of the equation that gives the final answer; -1 if none does. */
  resultOf(answer: Rational): number {
    const exact = this.#stated.findLastIndex((values) => values.some((value) => equal(value, answer)))
    if (exact >= 0) return exact
    const last = this.#stated.length - 1
    return this.#stated[last]?.some((value) => roundsTo(value, answer)) === true ? last : -1
  }

  /**
   * The value of an equation, with a number of the question changed. Null where it is undefined or too
   * large.
   */
  execute(end: number, changed?: { number: QuestionNumber; change: Rational }): Rational | null {
    const values: (Rational | null)[] = []
    const read = (leaf: Leaf): Rational | null => {
      const source = this.#sources.get(leaf)
      if (source === undefined) return leaf.value
      if (source.kind === 'result') return values[source.index] ?? null
      if (source.number !== changed?.number) return leaf.value
      const value = add(changed.number.value, changed.change)
      return value === null ? null : source.form(value)
    }
    for (const definition of this.#definitions.slice(0, end + 1)) values.push(evaluate(definition, read))
    return values[end] ?? null
  }
}

/** The value of a stated side; of a percentage also the number before its sign. */
function statedValues(expression: Expression): Rational[] {
  const value = evaluate(expression)
  if (value === null || isCompound(expression)) return []
  const shown = expression.kind === 'percent' ? multiply(value, HUNDRED) : null
  return shown === null ? [value] : [value, shown]
}

function roundsTo(value: Rational, integer: Rational): boolean {
  const difference = subtract(value, integer)
  if (difference === null || integer.denominator !== 1n) return false
  return compare(difference, ONE) < 0 && compare(ONE, { ...difference, numerator: -difference.numerator }) > 0
}

function key(value: Rational): string {
  return `${value.numerator}/${value.denominator}`
}
