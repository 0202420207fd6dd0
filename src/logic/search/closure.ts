import type { Formula, FormulaStore } from '../formula.ts'
import type { Entailment } from '../truth.ts'
import { Clausifier, type Clause } from './clauses.ts'
import { isSatisfiable } from './two-sat.ts'

/** The sentences that entailment is decided for. */
export interface EntailmentQuestion {
  readonly store: FormulaStore
  readonly premises: readonly Formula[]
  readonly query: Formula
}

/**
 * Decides entailment by the closure of the implication graph, contrapositives included: complete wherever premises and
 * query are clauses of at most two literals over the constants (all of PrOntoQA with one condition a rule). Null
 * outside that fragment. Takes time linear in premises x constants.
 */
export function decideByClosure({ store, premises, query }: EntailmentQuestion): Entailment | null {
  const clausifier = new Clausifier(store, [
    ...premises.map((formula) => ({ formula, denied: false })),
    { formula: query, denied: false },
    { formula: query, denied: true },
  ])
  const given: Clause[] = []
  for (const premise of premises) {
    const clauses = clausifier.clauses(premise)
    if (clauses === null) return null
    given.push(...clauses)
  }
  const affirmed = clausifier.clauses(query)
  const denied = clausifier.clauses(query, true)
  if (affirmed === null || denied === null) return null
  if (!isSatisfiable(given)) return 'inconsistent'
  if (!isSatisfiable([...given, ...denied])) return 'proved'
  return isSatisfiable([...given, ...affirmed]) ? 'unknown' : 'refuted'
}
