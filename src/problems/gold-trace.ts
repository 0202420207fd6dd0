import { renderSentence } from '../logic/language/render.ts'
import { parseTheory, type ReadTheory } from '../logic/language/theory.ts'
import { searchProof, type FoundProof } from '../logic/search/proof-search.ts'
import type { Label } from '../logic/truth.ts'
import { renderProof, type Proof, type ProofStep } from './gold.ts'
import type { GoldStep, Problem } from './problem.ts'

export type GoldTrace =
  | { readonly ok: true; readonly steps: readonly GoldStep[] }
  /** A sentence for a person. */
  | { readonly ok: false; readonly reason: string }

/**
 * The gold proof of a problem of any source, as a trace: the shortest that proof search finds. That nothing
 * decides a query is taken from the search or from the stored entailment.
 *
 * No trace is given where the problem cannot be read, where no proof is found, and where the proof contradicts
 * the problem's own label: a demonstration must not teach either of two answers that disagree.
 */
export function goldTrace(problem: Problem): GoldTrace {
  const theory = parseTheory(problem)
  if (!theory.ok) {
    const [first] = theory.reasons
    const place = first === undefined ? '' : ` (${describePlace(first.index)}: ${first.message})`
    return { ok: false, reason: `The problem cannot be read${place}.` }
  }
  const found = searchProof(theory)
  const label = labelOf(found, problem)
  if (label === undefined) return { ok: false, reason: found.reason ?? 'No proof was found.' }
  if (label !== problem.label) {
    return {
      ok: false,
      reason: `The premises make the conclusion ${label}, the label says ${problem.label}.`,
    }
  }
  const steps = stepsOf(found, theory)
  if (steps === undefined)
    return { ok: false, reason: 'A line of the proof has no sentence in this language.' }
  const proof: Proof = { steps, label, decidedBy: found.line }
  return { ok: true, steps: renderProof(problem, proof) }
}

function labelOf(found: FoundProof, problem: Problem): Label | undefined {
  switch (found.status) {
    case 'proved':
      return 'TRUE'
    case 'refuted':
      return 'FALSE'
    case 'unknown':
      return 'UNKNOWN'
    case 'not_found':
      return problem.entailment === 'unknown' ? 'UNKNOWN' : undefined
    case 'inconsistent':
      return undefined
  }
}

function stepsOf(found: FoundProof, theory: ReadTheory): ProofStep[] | undefined {
  const steps: ProofStep[] = []
  for (const { option, args, derived } of found.steps) {
    const claim = renderSentence(derived, theory.parser.language)
    if (claim === null) return undefined
    steps.push({ option, args, claim })
  }
  return steps
}

function describePlace(index: number | 'conclusion'): string {
  return index === 'conclusion' ? 'conclusion' : `premise ${index}`
}
