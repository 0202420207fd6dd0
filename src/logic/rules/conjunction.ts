import { union } from '../index-set.ts'
import { form, mismatch } from './rule.ts'

/** P, Q |- P and Q. */
export const AND_INTRO = form(['line', 'line'], (proof, left, right) => ({
  formula: proof.store.binary('and', left.formula, right.formula),
  restsOn: union(left.restsOn, right.restsOn),
}))

/** P and Q |- P (side 0), Q (side 1). */
export const AND_ELIM = form(['line', 'side'], (_proof, line, side) => {
  const { formula, restsOn } = line
  if (formula.kind !== 'and') return mismatch(`Line [${line.index}] is no conjunction.`)
  return { formula: side === 0 ? formula.left : formula.right, restsOn }
})
