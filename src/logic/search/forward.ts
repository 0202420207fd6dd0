import type { Formula, FormulaStore } from '../formula.ts'
import { universalPrefix } from '../matching.ts'
import { constantsOf, instantiate } from '../substitution.ts'
import type { Entailment } from '../truth.ts'
import type { EntailmentQuestion } from './closure.ts'

/** A ground rule: all of `conditions` give all of `consequences`, each a literal's `canonical`. */
interface GroundRule {
  readonly conditions: readonly number[]
  readonly consequences: readonly number[]
}

/**
 * What follows by applying rules forwards only, the semantics that ProofWriter's open-world labels are made with
 * (Tafjord et al. 2021): a denied fact is a fact of its own, and no rule is used against its direction. It is weaker
 * than entailment, which also has contrapositives, reasoning by cases, and everything from a contradiction.
 *
 * For facts and rules whose conditions and consequences are conjunctions of literals, with at most one variable; null
 * outside that fragment. `inconsistent` only if the query and its denial both follow.
 */
export function decideForwards({ store, premises, query }: EntailmentQuestion): Entailment | null {
  if (!isLiteral(query)) return null
  const constants = new Set<string>()
  for (const sentence of [...premises, query]) for (const name of constantsOf(sentence)) constants.add(name)
  const rules: GroundRule[] = []
  for (const premise of premises) {
    const grounded = groundRules(store, premise, [...constants])
    if (grounded === null) return null
    rules.push(...grounded)
  }
  const known = consequencesOf(rules)
  const affirmed = known.has(query.canonical)
  const denied = known.has(store.negation(query).canonical)
  if (affirmed) return denied ? 'inconsistent' : 'proved'
  return denied ? 'refuted' : 'unknown'
}

function groundRules(
  store: FormulaStore,
  premise: Formula,
  constants: readonly string[],
): GroundRule[] | null {
  const { variables, body } = universalPrefix(premise)
  if (variables > 1) return null
  const instances =
    variables === 0 ? [body] : constants.map((name) => instantiate(store, body, [store.constant(name)]))
  const rules: GroundRule[] = []
  for (const instance of instances) {
    const isRule = instance.kind === 'implies'
    const conditions = isRule ? literals(instance.left) : []
    const consequences = literals(isRule ? instance.right : instance)
    if (conditions === null || consequences === null) return null
    rules.push({ conditions, consequences })
  }
  return rules
}

/** The least set that holds every consequence of a rule whose conditions it holds. */
function consequencesOf(rules: readonly GroundRule[]): ReadonlySet<number> {
  const known = new Set<number>()
  let waiting = rules
  for (let before = -1; before < known.size;) {
    before = known.size
    waiting = waiting.filter(({ conditions, consequences }) => {
      if (!conditions.every((literal) => known.has(literal))) return true
      for (const literal of consequences) known.add(literal)
      return false
    })
  }
  return known
}

/** The literals of a conjunction, null if it is none. */
function literals(formula: Formula): number[] | null {
  if (formula.kind !== 'and') return isLiteral(formula) ? [formula.canonical] : null
  const left = literals(formula.left)
  const right = literals(formula.right)
  return left === null || right === null ? null : [...left, ...right]
}

function isLiteral(formula: Formula): boolean {
  return formula.kind === 'atom' || (formula.kind === 'not' && formula.body.kind === 'atom')
}
