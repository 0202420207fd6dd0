import { sameFormula, type Formula, type FormulaStore } from '../formula.ts'
import { singleton, type IndexSet } from '../index-set.ts'
import { universalPrefix } from '../matching.ts'
import { operandsOf } from './parts.ts'
import { addSupport, EVERY_READING, type Support } from './support.ts'

/** Assumptions that a chain may make; as many as a trace may have open. */
const MAX_ASSUMPTIONS = 64
/** Disjunctions remembered for each of their operands; the latest stay. */
const MAX_DISJUNCTIONS = 16

/** A stated implication, perhaps under universal quantifiers. */
export interface StatedRule {
  readonly formula: Formula
  readonly variables: number
  readonly condition: Formula
  /** What one application gives: the consequence, and each operand of it if it is a conjunction. */
  readonly consequences: readonly Formula[]
}

/** What a chain has established so far, found by formula in constant time. */
export class ChainBook {
  readonly store: FormulaStore
  readonly #supports = new Map<number, readonly Support[]>()
  /** How a formula follows as an operand of a stated conjunction. */
  readonly #conjuncts = new Map<number, readonly Support[]>()
  readonly #disjunctions = new Map<number, Formula[]>()
  readonly #rules = new Map<string, StatedRule[]>()
  readonly #assumptions: Formula[] = []
  readonly #wrong = new Set<number>()

  constructor(store: FormulaStore) {
    this.store = store
  }

  add(formula: Formula, support: Support): void {
    const known = this.#supports.get(formula.canonical)
    this.#supports.set(formula.canonical, addSupport(known ?? [], support))
    for (const operand of formula.kind === 'and' ? operandsOf(formula, 'and') : []) {
      const ways = this.#conjuncts.get(operand.canonical) ?? []
      this.#conjuncts.set(operand.canonical, addSupport(ways, support))
    }
    if (known !== undefined) return
    if (formula.kind === 'or') this.#addDisjunction(formula)
    this.#addRule(formula)
  }

  /** Makes an assumption; false if there are too many. Assuming the same thing again is the same assumption. */
  assume(formula: Formula): boolean {
    let number = this.#assumptions.findIndex((known) => sameFormula(known, formula))
    if (number === -1) {
      if (this.#assumptions.length === MAX_ASSUMPTIONS) return false
      number = this.#assumptions.push(formula) - 1
    }
    this.add(formula, { readings: EVERY_READING, assumptions: singleton(number) })
    return true
  }

  /** Notes that the chain said this without a right to. */
  addWrong(formula: Formula): void {
    this.#wrong.add(formula.canonical)
  }

  /** Whether it was said without a right to, and never established. */
  isWrong(formula: Formula): boolean {
    return this.#wrong.has(formula.canonical) && !this.#supports.has(formula.canonical)
  }

  supports(formula: Formula): readonly Support[] {
    return this.#supports.get(formula.canonical) ?? []
  }

  conjunctSupports(formula: Formula): readonly Support[] {
    return this.#conjuncts.get(formula.canonical) ?? []
  }

  /** Stated disjunctions with this operand. */
  disjunctionsWith(operand: Formula): readonly Formula[] {
    return this.#disjunctions.get(operand.canonical) ?? []
  }

  /** Stated implications that could have this consequence. */
  rulesFor(consequence: Formula): readonly StatedRule[] {
    return this.#rules.get(shape(consequence)) ?? []
  }

  assumption(number: number): Formula | undefined {
    return this.#assumptions[number]
  }

  /** The number of an assumption, as a set; null if it was not made. */
  assumptionSet(formula: Formula): IndexSet | null {
    const number = this.#assumptions.findIndex((known) => sameFormula(known, formula))
    return number === -1 ? null : singleton(number)
  }

  #addDisjunction(formula: Formula): void {
    for (const { canonical } of operandsOf(formula, 'or')) {
      const known = this.#disjunctions.get(canonical) ?? []
      this.#disjunctions.set(canonical, [...known.slice(1 - MAX_DISJUNCTIONS), formula])
    }
  }

  #addRule(formula: Formula): void {
    const { variables, body } = universalPrefix(formula)
    if (body.kind !== 'implies') return
    const operands = operandsOf(body.right, 'and')
    const consequences = operands.length > 1 ? [body.right, ...operands] : operands
    const rule: StatedRule = { formula, variables, condition: body.left, consequences }
    for (const key of new Set(consequences.map(shape))) {
      const known = this.#rules.get(key)
      if (known === undefined) this.#rules.set(key, [rule])
      else known.push(rule)
    }
  }
}

/** The same for a formula and for every pattern that it is an instance of. */
function shape(formula: Formula): string {
  if (formula.kind === 'atom') return `atom ${formula.predicate}`
  return formula.kind === 'not' ? `not ${shape(formula.body)}` : formula.kind
}
