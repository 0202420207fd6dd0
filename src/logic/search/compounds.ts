import type { Formula, FormulaStore } from '../formula.ts'

export type Compound = Extract<Formula, { left: Formula }>

/**
 * The conjunctions and disjunctions that a proof may need, found by their operands. A shortest proof builds none but
 * parts of its premises' instances, of its query and of its assumptions (the subformula property), so that
 * building up ends.
 */
export class Compounds {
  readonly #store: FormulaStore
  readonly #byPart = new Map<number, Compound[]>()
  readonly #seen = new Set<number>()

  constructor(store: FormulaStore) {
    this.#store = store
  }

  /** Adds every closed conjunction and disjunction within the formula. */
  addParts(formula: Formula): void {
    if (this.#seen.has(formula.canonical)) return
    this.#seen.add(formula.canonical)
    if (formula.kind === 'not') this.addParts(formula.body)
    if (!('left' in formula) || !isConnected(formula)) return
    this.addParts(formula.left)
    this.addParts(formula.right)
    if (formula.open === 0 && (formula.kind === 'and' || formula.kind === 'or')) {
      for (const part of new Set([formula.left.canonical, formula.right.canonical])) {
        this.#byPart.set(part, [...(this.#byPart.get(part) ?? []), formula])
      }
    }
  }

  /** Those with this formula as an operand. */
  containing(part: Formula): readonly Compound[] {
    return this.#byPart.get(part.canonical) ?? []
  }

  /** Conjunctions that cannot hold beside this formula, which denies one of their operands. */
  deniedBy(formula: Formula): readonly Compound[] {
    const parts = formula.kind === 'not' ? [formula.body] : [this.#store.not(formula)]
    return parts.flatMap((part) => this.containing(part)).filter(({ kind }) => kind === 'and')
  }
}

function isConnected(formula: Extract<Formula, { left: unknown }>): formula is Compound {
  return formula.kind !== 'equals'
}
