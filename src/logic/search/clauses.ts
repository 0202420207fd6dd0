import type { Formula, FormulaStore } from '../formula.ts'
import { constantsOf, instantiate } from '../substitution.ts'

/** An atom or its denial; atoms are numbered by their formula's `canonical`. */
export interface Literal {
  readonly atom: number
  readonly positive: boolean
}

/** A disjunction of at most two literals; none is the empty clause (falsum). */
export type Clause = readonly Literal[]

/** Clauses that one formula may give; beyond it the formula is outside the fragment. */
const MAX_CLAUSES = 64

/**
 * The ground instances, over the constants of a set of sentences, of everything that the sentences say, as
 * clauses of at most two literals. Without functions and equality, and with every existential quantifier outermost,
 * instances over the constants decide satisfiability (Herbrand's theorem).
 */
export class Clausifier {
  readonly #store: FormulaStore
  readonly #constants: readonly string[]
  #witnesses = 0

  /** `sentences`: all that `clauses` will be asked for, each with its polarity; their constants are the universe. */
  constructor(store: FormulaStore, sentences: readonly { formula: Formula; denied: boolean }[]) {
    this.#store = store
    const names = new Set(sentences.flatMap(({ formula }) => [...constantsOf(formula)]))
    const witnesses = sentences.reduce(
      (count, { formula, denied }) => count + outerExistentials(formula, denied),
      0,
    )
    for (let k = 0; k < witnesses; k += 1) names.add(witnessName(k))
    // No universe is empty.
    if (names.size === 0) names.add(witnessName(0))
    this.#constants = [...names]
  }

  /** The clauses of a sentence or, if `denied`, of its negation; null where it is outside the fragment. */
  clauses(sentence: Formula, denied = false): Clause[] | null {
    const positive = !denied
    const universal = positive ? 'forall' : 'exists'
    const existential = positive ? 'exists' : 'forall'
    if (sentence.kind === existential) {
      const witness = this.#store.constant(witnessName(this.#witnesses))
      this.#witnesses += 1
      return this.clauses(instantiate(this.#store, sentence.body, [witness]), denied)
    }
    if (sentence.kind === universal) {
      const found: Clause[] = []
      for (const name of this.#constants) {
        const instance = instantiate(this.#store, sentence.body, [this.#store.constant(name)])
        const clauses = this.#universalBody(instance, denied)
        if (clauses === null) return null
        found.push(...clauses)
      }
      return found
    }
    if (sentence.kind === 'not') return this.clauses(sentence.body, !denied)
    return normalForm(sentence, positive)
  }

  /** An existential quantifier inside a universal one would need a function: outside the fragment. */
  #universalBody(instance: Formula, denied: boolean): Clause[] | null {
    if (instance.kind === (denied ? 'exists' : 'forall')) return this.clauses(instance, denied)
    return normalForm(instance, !denied)
  }
}

/** Existential quantifiers that each get a witness of their own. */
function outerExistentials(formula: Formula, denied: boolean): number {
  if (formula.kind === 'not') return outerExistentials(formula.body, !denied)
  return formula.kind === (denied ? 'forall' : 'exists') ? 1 + outerExistentials(formula.body, denied) : 0
}

/** Contains what no parser accepts in a name. */
function witnessName(index: number): string {
  return `∃${index}`
}

/** Conjunctive normal form by distribution, null beyond two literals a clause or at a quantifier. */
function normalForm(formula: Formula, positive: boolean): Clause[] | null {
  switch (formula.kind) {
    case 'falsum':
      return positive ? [[]] : []
    case 'atom':
      return [[{ atom: formula.canonical, positive }]]
    case 'not':
      return normalForm(formula.body, !positive)
    case 'and':
    case 'or': {
      const left = normalForm(formula.left, positive)
      const right = normalForm(formula.right, positive)
      return (formula.kind === 'and') === positive ? both(left, right) : either(left, right)
    }
    case 'implies': {
      const left = normalForm(formula.left, !positive)
      const right = normalForm(formula.right, positive)
      return positive ? either(left, right) : both(left, right)
    }
    case 'iff':
    case 'xor': {
      // (A or B') and (A' or B) says that A and B agree; for the opposite, B changes its sign.
      const agree = (formula.kind === 'iff') === positive
      return both(
        either(normalForm(formula.left, true), normalForm(formula.right, !agree)),
        either(normalForm(formula.left, false), normalForm(formula.right, agree)),
      )
    }
    case 'equals':
    case 'forall':
    case 'exists':
    default:
      return null
  }
}

type Clauses = Clause[] | null

function both(left: Clauses, right: Clauses): Clauses {
  if (left === null || right === null || left.length + right.length > MAX_CLAUSES) return null
  return [...left, ...right]
}

function either(left: Clauses, right: Clauses): Clauses {
  if (left === null || right === null || left.length * right.length > MAX_CLAUSES) return null
  const found: Clause[] = []
  for (const a of left) {
    for (const b of right) {
      const clause = merged(a, b)
      if (clause === 'valid') continue
      if (clause.length > 2) return null
      found.push(clause)
    }
  }
  return found
}

/** Both clauses' literals without repetition; "A or not A" says nothing. */
function merged(a: Clause, b: Clause): Clause | 'valid' {
  const literals = [...a]
  for (const literal of b) {
    const same = literals.find(({ atom }) => atom === literal.atom)
    if (same === undefined) literals.push(literal)
    else if (same.positive !== literal.positive) return 'valid'
  }
  return literals
}
