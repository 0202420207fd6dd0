import { sameFormula } from '../formula.ts'
import { union } from '../index-set.ts'
import { form, mismatch } from './rule.ts'

/** P -> Q, Q -> P |- P <-> Q. */
export const BICONDITIONAL_INTRO = form(['line', 'line'], (proof, forward, backward) => {
  const a = forward.formula
  const b = backward.formula
  if (
    a.kind !== 'implies' ||
    b.kind !== 'implies' ||
    !sameFormula(a.left, b.right) ||
    !sameFormula(a.right, b.left)
  ) {
    return mismatch(
      `Lines [${forward.index}] and [${backward.index}] are not an implication and its converse.`,
    )
  }
  return {
    formula: proof.store.binary('iff', a.left, a.right),
    restsOn: union(forward.restsOn, backward.restsOn),
  }
})

/** P <-> Q |- P -> Q (direction 0), Q -> P (direction 1). */
export const BICONDITIONAL_ELIM = form(['line', 'direction'], (proof, line, direction) => {
  const { formula, restsOn } = line
  if (formula.kind !== 'iff') return mismatch(`Line [${line.index}] is no biconditional.`)
  const { left, right } = formula
  return {
    formula:
      direction === 0
        ? proof.store.binary('implies', left, right)
        : proof.store.binary('implies', right, left),
    restsOn,
  }
})
