import type { Formula, FormulaStore, Term } from '../formula.ts'
import type { Language } from '../language/parser.ts'
import { renderSentence } from '../language/render.ts'
import { instantiate } from '../substitution.ts'
import type { Compound, Compounds } from './compounds.ts'
import { step, type Derivation } from './derivation.ts'
import { RuleIndex, ruleInstances } from './rules.ts'

/** Lines that one saturation may derive; far above any problem of the supported fragments. */
const MAX_LINES = 4096

/** What every saturation of one theory shares. */
export interface SearchSpace {
  readonly store: FormulaStore
  readonly language: Language
  readonly constants: readonly Term[]
  readonly compounds: Compounds
  /** One line for each assumption, so that proofs share it. */
  readonly assumptions: Map<number, Derivation>
}

/** The line that assumes a formula, null if the theory's language has no sentence for it. */
export function assume(space: SearchSpace, formula: Formula): Derivation | null {
  const known = space.assumptions.get(formula.canonical)
  if (known !== undefined) return known
  const text = renderSentence(formula, space.language)
  if (text === null) return null
  const line = step('ASSUME', [text], formula)
  space.assumptions.set(formula.canonical, line)
  return line
}

/**
 * Everything that follows from some lines by the rules that need no plan, each formula with the derivation that was
 * cheapest when it was reached (Dijkstra's order, cost = number of distinct steps). Chains come out shortest; where
 * two derivations share steps the choice is greedy.
 */
export class Saturation {
  /** By `canonical`. */
  readonly known = new Map<number, Derivation>()
  readonly disjunctions: Derivation[] = []
  /** A formula and its negation, the cheapest such pair. */
  contradiction: readonly [Derivation, Derivation] | null = null
  readonly #space: SearchSpace
  readonly #rules: RuleIndex
  /** Candidates by cost. */
  readonly #agenda: Derivation[][] = []

  constructor(space: SearchSpace, given: readonly Derivation[]) {
    this.#space = space
    this.#rules = new RuleIndex(space.store)
    for (const line of given) this.#propose(line)
    for (let cost = 0; cost < this.#agenda.length; cost += 1) {
      // What a line gives costs more than the line, so this list does not grow any more.
      for (const line of this.#agenda[cost] ?? []) if (this.known.size < MAX_LINES) this.#accept(line)
    }
  }

  find(formula: Formula): Derivation | undefined {
    return this.known.get(formula.canonical)
  }

  #propose(line: Derivation): void {
    if (this.known.has(line.formula.canonical)) return
    const bucket = (this.#agenda[line.steps.size] ??= [])
    bucket.push(line)
  }

  #derive(option: string, args: Derivation['args'], formula: Formula): void {
    if (!this.known.has(formula.canonical)) this.#propose(step(option, args, formula))
  }

  #accept(line: Derivation): void {
    const { formula } = line
    if (this.known.has(formula.canonical)) return
    this.known.set(formula.canonical, line)
    this.#noteContradiction(line)
    for (const rule of this.#rules.withCondition(formula)) {
      this.#derive('MODUS_PONENS', [line, rule.line], rule.right)
    }
    for (const rule of this.#rules.withConsequenceDeniedBy(formula)) this.#modusTollens(line, rule)
    this.#takeApart(line)
    for (const disjunction of this.disjunctions) this.#syllogism(disjunction, line)
    for (const compound of this.#space.compounds.containing(formula)) this.#build(compound, line)
    for (const compound of this.#space.compounds.deniedBy(formula)) this.#denyConjunction(compound, line)
  }

  #modusTollens(denial: Derivation, rule: { line: Derivation; left: Formula }): void {
    this.#derive('MODUS_TOLLENS', [denial, rule.line], this.#space.store.negation(rule.left))
  }

  #noteContradiction(line: Derivation): void {
    const { store } = this.#space
    const denials =
      line.formula.kind === 'not' ? [line.formula.body, store.not(line.formula)] : [store.not(line.formula)]
    for (const denial of denials) {
      const other = this.find(denial)
      if (other === undefined) continue
      const pair = [line, other] as const
      if (this.contradiction === null || distinct(pair) < distinct(this.contradiction))
        this.contradiction = pair
    }
  }

  #takeApart(line: Derivation): void {
    const { formula } = line
    const { store } = this.#space
    if (formula.kind === 'and') {
      this.#derive('AND_ELIM', [line, 0], formula.left)
      this.#derive('AND_ELIM', [line, 1], formula.right)
    } else if (formula.kind === 'or' || formula.kind === 'xor') {
      this.disjunctions.push(line)
      for (const other of this.known.values()) this.#syllogism(line, other)
    } else if (formula.kind === 'iff') {
      this.#derive('BICONDITIONAL_ELIM', [line, 0], store.binary('implies', formula.left, formula.right))
      this.#derive('BICONDITIONAL_ELIM', [line, 1], store.binary('implies', formula.right, formula.left))
    } else if (formula.kind === 'not') {
      if (formula.body.kind === 'not') this.#derive('DOUBLE_NEGATION', [line], formula.body.body)
      if (formula.body.kind === 'or') this.#denySides(formula.body, line)
    } else if (formula.kind === 'implies' || formula.kind === 'forall') {
      this.#addRule(line)
    }
  }

  #addRule(line: Derivation): void {
    const { store, constants, compounds } = this.#space
    const instances = ruleInstances(store, line, constants)
    if (instances === null && line.formula.kind === 'forall') {
      for (const constant of constants) {
        const name = constant.kind === 'constant' ? constant.name : ''
        this.#derive('UNIV_INSTANTIATION', [line, name], instantiate(store, line.formula.body, [constant]))
      }
      return
    }
    for (const instance of instances ?? []) {
      this.#rules.add(instance)
      compounds.addParts(instance.left)
      const fact = this.find(instance.left)
      if (fact !== undefined) this.#derive('MODUS_PONENS', [fact, line], instance.right)
      const denial = this.find(store.negation(instance.right))
      if (denial !== undefined) this.#modusTollens(denial, instance)
    }
  }

  /** What a disjunction and another line give together. */
  #syllogism(disjunction: Derivation, other: Derivation): void {
    const { store } = this.#space
    const { formula } = disjunction
    if (formula.kind !== 'or' && formula.kind !== 'xor') return
    const says = (side: Formula): boolean => side.canonical === other.formula.canonical
    if (says(store.negation(formula.left))) {
      this.#derive('DISJUNCTIVE_SYLLOGISM', [disjunction, other], formula.right)
    } else if (says(store.negation(formula.right))) {
      this.#derive('DISJUNCTIVE_SYLLOGISM', [disjunction, other], formula.left)
    } else if (formula.kind === 'xor' && says(formula.left)) {
      this.#derive('DISJUNCTIVE_SYLLOGISM', [disjunction, other], store.negation(formula.right))
    } else if (formula.kind === 'xor' && says(formula.right)) {
      this.#derive('DISJUNCTIVE_SYLLOGISM', [disjunction, other], store.negation(formula.left))
    }
  }

  #build(compound: Compound, line: Derivation): void {
    if (compound.kind === 'and') {
      const left = this.find(compound.left)
      const right = this.find(compound.right)
      if (left !== undefined && right !== undefined) this.#derive('AND_INTRO', [left, right], compound)
    } else if (compound.kind === 'or') {
      const built = this.#weaken(line, compound)
      if (built !== null) this.#propose(built)
    }
  }

  #weaken(line: Derivation, disjunction: Compound): Derivation | null {
    const isLeft = disjunction.left.canonical === line.formula.canonical
    const text = renderSentence(isLeft ? disjunction.right : disjunction.left, this.#space.language)
    return text === null ? null : step('OR_INTRO', [line, isLeft ? 0 : 1, text], disjunction)
  }

  /** not P |- not (P and Q): assume the conjunction, take P out of it. */
  #denyConjunction(conjunction: Compound, denial: Derivation): void {
    const { store } = this.#space
    const denied = store.negation(conjunction)
    const assumption = this.known.has(denied.canonical) ? null : assume(this.#space, conjunction)
    if (assumption === null) return
    const contradicts = (side: Formula): boolean =>
      store.not(side).canonical === denial.formula.canonical ||
      store.not(denial.formula).canonical === side.canonical
    const side = contradicts(conjunction.left) ? 0 : 1
    const part = step('AND_ELIM', [assumption, side], side === 0 ? conjunction.left : conjunction.right)
    this.#derive('CONTRADICTION', [part, denial, assumption], denied)
  }

  /** not (P or Q) |- not P, not Q: assume one side, weaken it to the disjunction. */
  #denySides(disjunction: Compound, denial: Derivation): void {
    for (const side of [disjunction.left, disjunction.right]) {
      const denied = this.#space.store.negation(side)
      const assumption = this.known.has(denied.canonical) ? null : assume(this.#space, side)
      const weaker = assumption === null ? null : this.#weaken(assumption, disjunction)
      if (assumption !== null && weaker !== null) {
        this.#derive('CONTRADICTION', [weaker, denial, assumption], denied)
      }
    }
  }
}

/** Steps of a pair of lines, shared ones counted once. */
function distinct([a, b]: readonly [Derivation, Derivation]): number {
  let count = a.steps.size
  for (const each of b.steps) if (!a.steps.has(each)) count += 1
  return count
}
