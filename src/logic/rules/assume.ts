import { refuse } from '../checker/codes.ts'
import { singleton } from '../index-set.ts'
import { form } from './rule.ts'

/** Assumptions that may be open at once, and that one line may rest on. */
export const MAX_OPEN_ASSUMPTIONS = 64

/** A |- A, resting on itself until it is discharged. */
export const ASSUME = form(['formula'], (proof, formula) => {
  if (proof.openAssumptions >= MAX_OPEN_ASSUMPTIONS) {
    return refuse('too_large', `${MAX_OPEN_ASSUMPTIONS} assumptions are open already.`)
  }
  return { formula, restsOn: singleton(proof.lines.length), assumption: true }
})
