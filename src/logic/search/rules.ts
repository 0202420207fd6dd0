import type { Formula, FormulaStore, Term } from '../formula.ts'
import { universalPrefix } from '../matching.ts'
import { instantiate } from '../substitution.ts'
import type { Derivation } from './derivation.ts'

/** One instance of an implication that stands in a line (perhaps under universal quantifiers). */
export interface RuleInstance {
  readonly line: Derivation
  readonly left: Formula
  readonly right: Formula
}

/** Instances of one rule that are tried; rules with many variables over many constants give more and are cut. */
const MAX_INSTANCES = 512

/** Instances of implications, found by their condition and by what denies their consequence. */
export class RuleIndex {
  readonly #store: FormulaStore
  readonly #byLeft = new Map<number, RuleInstance[]>()
  readonly #byDenial = new Map<number, RuleInstance[]>()

  constructor(store: FormulaStore) {
    this.#store = store
  }

  add(instance: RuleInstance): void {
    append(this.#byLeft, instance.left.canonical, instance)
    append(this.#byDenial, this.#store.negation(instance.right).canonical, instance)
  }

  withCondition(formula: Formula): readonly RuleInstance[] {
    return this.#byLeft.get(formula.canonical) ?? []
  }

  withConsequenceDeniedBy(formula: Formula): readonly RuleInstance[] {
    return this.#byDenial.get(formula.canonical) ?? []
  }
}

function append(index: Map<number, RuleInstance[]>, key: number, instance: RuleInstance): void {
  const found = index.get(key)
  if (found === undefined) index.set(key, [instance])
  else found.push(instance)
}

/**
 * The instances of a line that is an implication under universal quantifiers whose variables all occur on both
 * sides, so that either side determines the instance; null for any other line.
 */
export function ruleInstances(
  store: FormulaStore,
  line: Derivation,
  constants: readonly Term[],
): readonly RuleInstance[] | null {
  const { variables, body } = universalPrefix(line.formula)
  if (body.kind !== 'implies') return null
  for (let index = 0; index < variables; index += 1) {
    if (!mentions(body.left, index) || !mentions(body.right, index)) return null
  }
  const found: RuleInstance[] = []
  for (const terms of tuples(constants, variables)) {
    if (found.length === MAX_INSTANCES) break
    const left = instantiate(store, body.left, terms)
    found.push({ line, left, right: instantiate(store, body.right, terms) })
  }
  return found
}

/** Whether the variable with this index, seen from outside the formula, occurs in it. */
function mentions(formula: Formula, index: number): boolean {
  if (formula.open <= index) return false
  if (formula.kind === 'atom') return formula.terms.some((term) => isBound(term, index))
  if (formula.kind === 'equals') return isBound(formula.left, index) || isBound(formula.right, index)
  if (formula.kind === 'not') return mentions(formula.body, index)
  if (formula.kind === 'falsum') return false
  if ('left' in formula) return mentions(formula.left, index) || mentions(formula.right, index)
  return mentions(formula.body, index + 1)
}

function isBound(term: Term, index: number): boolean {
  return term.kind === 'bound' && term.index === index
}

function* tuples(constants: readonly Term[], length: number): Generator<Term[]> {
  if (length === 0) {
    yield []
    return
  }
  for (const rest of tuples(constants, length - 1)) {
    for (const constant of constants) yield [...rest, constant]
  }
}
