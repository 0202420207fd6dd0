import type { Formula, Term } from '../formula.ts'
import { instantiate } from '../substitution.ts'
import { step, type Derivation } from './derivation.ts'
import { assume, Saturation, type SearchSpace } from './saturation.ts'

/** Cheapest proof by cases: two assumptions, a step in each case, the split. Nothing shorter is worth a plan. */
const PLANLESS = 5

/**
 * Proofs that need a plan: by cases, by contradiction, of a conditional, of a universal rule. `depth` bounds how many
 * plans are nested.
 */
export class GoalSearch {
  readonly #space: SearchSpace
  readonly #given: readonly Derivation[]
  readonly #saturations = new Map<string, Saturation>()

  constructor(space: SearchSpace, given: readonly Derivation[]) {
    this.#space = space
    this.#given = given
  }

  /** The shortest proof found with at most `maxDepth` nested plans; null if there is none. */
  prove(goal: Formula, maxDepth: number): Derivation | null {
    let best: Derivation | null = null
    for (let depth = 0; depth <= maxDepth; depth += 1) {
      best = shorter(best, this.#prove(goal, [], depth))
      if (best !== null && best.steps.size <= PLANLESS) return best
    }
    return best
  }

  #prove(goal: Formula, assumptions: readonly Derivation[], depth: number): Derivation | null {
    const context = this.#saturated(assumptions)
    let best = context.find(goal) ?? null
    if (depth === 0 || (best !== null && best.steps.size <= PLANLESS)) return best
    best = shorter(best, this.#byParts(goal, assumptions, depth))
    for (const disjunction of context.disjunctions) {
      best = shorter(best, this.#byCases(goal, disjunction, context, assumptions, depth))
    }
    // Last: of two proofs of the same length, the one without a contradiction reads better.
    return shorter(best, this.#byContradiction(goal, assumptions, depth))
  }

  /** What the goal's own connective suggests. */
  #byParts(goal: Formula, assumptions: readonly Derivation[], depth: number): Derivation | null {
    if (goal.kind === 'and') {
      const left = this.#prove(goal.left, assumptions, depth - 1)
      const right = left === null ? null : this.#prove(goal.right, assumptions, depth - 1)
      return left === null || right === null ? null : step('AND_INTRO', [left, right], goal)
    }
    if (goal.kind === 'implies') {
      const assumption = assume(this.#space, goal.left)
      if (assumption === null) return null
      const end = this.#prove(goal.right, [...assumptions, assumption], depth - 1)
      return end === null ? null : step('CONDITIONAL_PROOF', [assumption, end], goal)
    }
    if (goal.kind === 'forall') {
      const fresh = this.#unused(assumptions)
      if (fresh === null) return null
      const claim = instantiate(this.#space.store, goal.body, [fresh])
      this.#space.compounds.addParts(claim)
      const instance = this.#prove(claim, assumptions, depth)
      return instance === null ? null : step('UNIV_GENERALIZATION', [instance, fresh.name], goal)
    }
    return null
  }

  #byContradiction(goal: Formula, assumptions: readonly Derivation[], depth: number): Derivation | null {
    const { store } = this.#space
    const denial = goal.kind === 'not' ? goal.body : store.not(goal)
    const assumption = assume(this.#space, denial)
    if (assumption === null || assumptions.includes(assumption) || depth === 0) return null
    const contradiction = this.#saturated([...assumptions, assumption]).contradiction
    return contradiction === null ? null : step('CONTRADICTION', [...contradiction, assumption], goal)
  }

  #byCases(
    goal: Formula,
    disjunction: Derivation,
    context: Saturation,
    assumptions: readonly Derivation[],
    depth: number,
  ): Derivation | null {
    const { formula } = disjunction
    if (formula.kind !== 'or' && formula.kind !== 'xor') return null
    // A side that is known, or an assumption already, makes no case.
    if (context.find(formula.left) !== undefined || context.find(formula.right) !== undefined) return null
    const left = assume(this.#space, formula.left)
    const right = assume(this.#space, formula.right)
    if (left === null || right === null) return null
    const leftEnd = this.#prove(goal, [...assumptions, left], depth - 1)
    const rightEnd = leftEnd === null ? null : this.#prove(goal, [...assumptions, right], depth - 1)
    if (leftEnd === null || rightEnd === null) return null
    return step('CASE_SPLIT', [disjunction, left, leftEnd, right, rightEnd], goal)
  }

  #saturated(assumptions: readonly Derivation[]): Saturation {
    const key = assumptions
      .map(({ formula }) => formula.canonical)
      .sort((a, b) => a - b)
      .join()
    let saturation = this.#saturations.get(key)
    if (saturation === undefined) {
      for (const { formula } of assumptions) this.#space.compounds.addParts(formula)
      saturation = new Saturation(this.#space, [...this.#given, ...assumptions])
      this.#saturations.set(key, saturation)
    }
    return saturation
  }

  /** A constant that no premise and no assumption mentions: the last ones of the space are there for this. */
  #unused(assumptions: readonly Derivation[]): Extract<Term, { kind: 'constant' }> | null {
    const constant = this.#space.constants.at(-1)
    return assumptions.length === 0 && constant?.kind === 'constant' ? constant : null
  }
}

function shorter(a: Derivation | null, b: Derivation | null): Derivation | null {
  if (a === null || b === null) return a ?? b
  return b.steps.size < a.steps.size ? b : a
}
