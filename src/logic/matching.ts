import { sameFormula, type Formula, type FormulaStore, type Term } from './formula.ts'
import { instantiate } from './substitution.ts'

/** Comparisons that one search for an instance may cost; as many as the largest formula has nodes. */
export const MAX_COMPARISONS = 4096

/** A formula split into its leading universal quantifiers and what they govern. */
export interface UniversalPrefix {
  /** Number of leading universal quantifiers. */
  readonly variables: number
  readonly body: Formula
}

export function universalPrefix(formula: Formula): UniversalPrefix {
  let variables = 0
  let body = formula
  for (; body.kind === 'forall'; body = body.body) variables++
  return { variables, body }
}

export type Match =
  | { readonly kind: 'instance'; readonly terms: readonly Term[] }
  | { readonly kind: 'none' | 'undetermined' | 'too_large' }

/**
 * Constants for the `variables` outer variables of `pattern` under which it is the same formula as the
 * sentence `target` (alpha-equivalence, commutativity). `undetermined`: it matches, but leaves a
 * variable open. The result is a proposal: callers instantiate and compare.
 */
export function match(pattern: Formula, target: Formula, variables: number): Match {
  const search = new Search(variables)
  const found = search.solve({ pattern, target, depth: 0, next: null })
  if (search.exhausted) return { kind: 'too_large' }
  if (!found) return { kind: 'none' }
  const terms: Term[] = []
  for (const term of search.bindings) {
    if (term === undefined) return { kind: 'undetermined' }
    terms.push(term)
  }
  return { kind: 'instance', terms }
}

/** {@link match}, confirmed by substitution; null where there is no instance that is the same as `target`. */
export function matchInstance(
  store: FormulaStore,
  pattern: Formula,
  target: Formula,
  variables: number,
): Match {
  const found = match(pattern, target, variables)
  if (found.kind !== 'instance') return found
  return sameFormula(instantiate(store, pattern, found.terms), target) ? found : { kind: 'none' }
}

interface Goal {
  readonly pattern: Formula
  readonly target: Formula
  /** Quantifiers passed on the way here. */
  readonly depth: number
  readonly next: Goal | null
}

/** Depth-first search over the orders of commutative operands, bounded by {@link MAX_COMPARISONS}. */
class Search {
  readonly bindings: (Term | undefined)[] = []
  exhausted = false
  #comparisons = 0
  /** Variables in the order of their binding, so that a choice can be taken back. */
  readonly #trail: number[] = []

  constructor(variables: number) {
    for (let i = 0; i < variables; i++) this.bindings.push(undefined)
  }

  solve(start: Goal): boolean {
    let goal: Goal | null = start
    while (goal !== null) {
      if (++this.#comparisons > MAX_COMPARISONS) {
        this.exhausted = true
        return false
      }
      const { pattern, target, depth, next }: Goal = goal
      if (pattern.open <= depth) {
        if (!sameFormula(pattern, target)) return false
        goal = next
        continue
      }
      // Instances have the size of their pattern: most wrong pairs of operands end here.
      if (pattern.kind !== target.kind || pattern.size !== target.size) return false
      switch (pattern.kind) {
        case 'falsum':
          return false
        case 'atom':
          if (!this.#bindAtom(pattern, target, depth)) return false
          goal = next
          continue
        case 'not':
        case 'forall':
        case 'exists': {
          if (!('body' in target)) return false
          const inner: number = pattern.kind === 'not' ? depth : depth + 1
          goal = { pattern: pattern.body, target: target.body, depth: inner, next }
          continue
        }
        case 'equals': {
          if (target.kind !== 'equals') return false
          const mark = this.#trail.length
          if (this.#bindPair(pattern, target.left, target.right, depth)) {
            if (next === null || this.solve(next)) return true
          }
          this.#undo(mark)
          if (!this.#bindPair(pattern, target.right, target.left, depth)) return false
          goal = next
          continue
        }
        case 'and':
        case 'or':
        case 'xor':
        case 'implies':
        case 'iff': {
          if (!('left' in target) || target.kind === 'equals') return false
          if (pattern.kind !== 'implies') {
            const mark = this.#trail.length
            if (this.solve(operands(pattern, target.left, target.right, depth, next))) return true
            this.#undo(mark)
            goal = operands(pattern, target.right, target.left, depth, next)
          } else {
            goal = operands(pattern, target.left, target.right, depth, next)
          }
        }
      }
    }
    return true
  }

  #bindAtom(pattern: Atom, target: Formula, depth: number): boolean {
    return (
      target.kind === 'atom' &&
      pattern.predicate === target.predicate &&
      pattern.terms.length === target.terms.length &&
      pattern.terms.every((term, i) => this.#bind(term, target.terms[i], depth))
    )
  }

  #bindPair(pattern: Equality, left: Term, right: Term, depth: number): boolean {
    return this.#bind(pattern.left, left, depth) && this.#bind(pattern.right, right, depth)
  }

  #bind(pattern: Term, target: Term | undefined, depth: number): boolean {
    if (target === undefined) return false
    if (pattern.kind === 'constant') return target.kind === 'constant' && target.name === pattern.name
    if (pattern.index < depth) return target.kind === 'bound' && target.index === pattern.index
    // A variable of the rule stands for a constant only: a bound variable of the target would be captured.
    if (target.kind !== 'constant') return false
    const variable = pattern.index - depth
    const known = this.bindings[variable]
    if (known !== undefined) return known.kind === 'constant' && known.name === target.name
    this.bindings[variable] = target
    this.#trail.push(variable)
    return true
  }

  #undo(mark: number): void {
    while (this.#trail.length > mark) {
      const variable = this.#trail.pop()
      if (variable !== undefined) this.bindings[variable] = undefined
    }
  }
}

type Atom = Extract<Formula, { kind: 'atom' }>
type Equality = Extract<Formula, { kind: 'equals' }>

function operands(
  pattern: { readonly left: Formula; readonly right: Formula },
  left: Formula,
  right: Formula,
  depth: number,
  next: Goal | null,
): Goal {
  const rest: Goal = { pattern: pattern.right, target: right, depth, next }
  return { pattern: pattern.left, target: left, depth, next: rest }
}
