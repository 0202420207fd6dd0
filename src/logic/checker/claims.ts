import { sameFormula, type Formula } from '../formula.ts'
import { contradict } from '../rules/instance.ts'
import type { Label } from '../truth.ts'
import { excerpt, refuse, type Refusal } from './codes.ts'
import type { Claim, ClaimMode } from './step.ts'

/** Every claim must be the derived formula; `required` also wants at least one (ASSUME states its own). */
export function checkClaims(
  claims: readonly Claim[],
  derived: Formula,
  mode: ClaimMode,
  isAssumption: boolean,
): Refusal | null {
  if (mode === 'ignored') return null
  for (const claim of claims) {
    if (claim.kind === 'unreadable') return unreadable(claim.text, claim.reason)
    if (claim.kind === 'label' || !sameFormula(claim.formula, derived)) {
      return refuse(
        'claim_mismatch',
        `The Thought claims ${excerpt(claim.text)}, which is not what the step derives.`,
      )
    }
  }
  if (mode === 'required' && claims.length === 0 && !isAssumption) {
    return refuse('claim_missing', 'The Thought does not say what the step derives ("So ...").')
  }
  return null
}

/** A claim beside CONCLUDE is optional, but it must name the label, or state the query or its negation accordingly. */
export function checkConclusionClaims(
  claims: readonly Claim[],
  label: Label,
  query: Formula,
  mode: ClaimMode,
): Refusal | null {
  if (mode === 'ignored') return null
  for (const claim of claims) {
    if (claim.kind === 'unreadable') return unreadable(claim.text, claim.reason)
    const agrees =
      claim.kind === 'label'
        ? claim.label === label
        : (label === 'TRUE' && sameFormula(claim.formula, query)) ||
          (label === 'FALSE' && contradict(claim.formula, query))
    if (!agrees) {
      return refuse(
        'claim_mismatch',
        `The Thought claims ${excerpt(claim.text)}, but the action concludes ${label}.`,
      )
    }
  }
  return null
}

function unreadable(text: string, reason: string): Refusal {
  return refuse('claim_unparsable', `The claim ${excerpt(text)} cannot be read: ${reason}`)
}
