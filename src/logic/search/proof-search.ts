import type { Formula, FormulaStore } from '../formula.ts'
import type { Language } from '../language/parser.ts'
import { renderSentence } from '../language/render.ts'
import { constantsOf } from '../substitution.ts'
import type { Entailment } from '../truth.ts'
import { decideByClosure } from './closure.ts'
import { Compounds } from './compounds.ts'
import { premise, writeProof, type ProofStep } from './derivation.ts'
import { GoalSearch } from './goals.ts'
import type { SearchSpace } from './saturation.ts'

/** Plans (cases, contradictions, conditionals) that may be nested in a proof. */
const MAX_PLANS = 2

/** What is to be proved or refuted; `parser.language` is the language of the texts among the arguments. */
export interface ProofProblem {
  readonly store: FormulaStore
  readonly premises: readonly Formula[]
  readonly query: Formula
  readonly parser: { readonly language: Language }
}

export interface FoundProof {
  /** `not_found`: entailed or undecided, and the search found no proof within its limits. */
  readonly status: Exclude<Entailment, 'undecided'> | 'not_found'
  /** Options as DESIGN section 3 signs them, without the final CONCLUDE; empty unless proved or refuted. */
  readonly steps: readonly ProofStep[]
  /** The line that holds the query (proved) or its negation (refuted). */
  readonly line?: number
  /** Why there is no proof. */
  readonly reason?: string
}

/**
 * The shortest proof of the query or of its negation. Chains of rules come out shortest; where several steps
 * share what they rest on, or plans are nested, the search is greedy. Pure and deterministic.
 */
export function searchProof(problem: ProofProblem): FoundProof {
  const { store, premises, query } = problem
  const entailment = decideByClosure(problem)
  if (entailment === 'inconsistent') {
    return none('inconsistent', 'The premises contradict each other, so everything follows from them.')
  }
  if (entailment === 'unknown') {
    return none('unknown', `Neither ${text(problem, query)} nor its negation follows from the premises.`)
  }
  const space = searchSpace(problem)
  const search = new GoalSearch(
    space,
    premises.map((formula, index) => premise(formula, index)),
  )
  const proof = entailment === 'refuted' ? null : search.prove(query, MAX_PLANS)
  const refutation = entailment === 'proved' ? null : search.prove(store.negation(query), MAX_PLANS)
  if (proof !== null && refutation !== null) {
    return none('inconsistent', 'Both the query and its negation follow from the premises.')
  }
  const found = proof ?? refutation
  if (found === null) {
    return none(
      'not_found',
      entailment === null
        ? 'The problem is outside the fragment that the closure decides, and no proof was found.'
        : `The query is ${entailment}, but no proof was found within the limits of the search.`,
    )
  }
  return { status: proof === null ? 'refuted' : 'proved', ...writeProof(found, premises.length) }
}

function none(status: FoundProof['status'], reason: string): FoundProof {
  return { status, steps: [], reason }
}

function text({ parser }: ProofProblem, formula: Formula): string {
  const sentence = renderSentence(formula, parser.language) ?? renderSentence(formula, 'fol') ?? ''
  return `"${sentence.replace(/\.$/, '')}"`
}

/** Names for the individual of whom a universal query is proved, should the theory leave them unused. */
const FRESH_NAMES: Record<Language, readonly string[]> = {
  prontoqa: ['Alex', 'Kim', 'Robin', 'Jo', 'Lee', 'Sky'],
  proofwriter: ['Alan', 'Kim', 'Robin', 'Jo', 'Lee', 'Sky'],
  fol: ['someone', 'anyone', 'c0', 'c1', 'c2', 'c3'],
}

function searchSpace({ store, premises, query, parser }: ProofProblem): SearchSpace {
  const names = new Set<string>()
  for (const formula of [...premises, query]) for (const name of constantsOf(formula)) names.add(name)
  const fresh = FRESH_NAMES[parser.language].find((name) => !names.has(name))
  if ((query.kind === 'forall' || names.size === 0) && fresh !== undefined) names.add(fresh)
  const compounds = new Compounds(store)
  for (const formula of [...premises, query]) compounds.addParts(formula)
  return {
    store,
    language: parser.language,
    constants: [...names].map((name) => store.constant(name)),
    compounds,
    assumptions: new Map(),
  }
}
