import { union, without } from '../index-set.ts'
import type { Refusal } from '../checker/codes.ts'
import type { Line } from '../checker/proof.ts'
import { contradict } from './instance.ts'
import { form, isRefusal, mismatch } from './rule.ts'

/** P and its negation, in either order |- falsum. */
export const CONTRADICTION = form(['line', 'line'], (proof, a, b) => {
  const support = contradiction(a, b)
  return isRefusal(support) ? support : { formula: proof.store.falsum(), restsOn: support.restsOn }
})

/** P and its negation, in either order, derived under the assumption A |- not A, discharging A. */
export const REDUCTIO = form(['line', 'line', 'assumption'], (proof, a, b, assumption) => {
  const support = contradiction(a, b)
  if (isRefusal(support)) return support
  return {
    formula: proof.store.negation(assumption.formula),
    restsOn: without(support.restsOn, assumption.index),
    discharges: [assumption.index],
  }
})

/** not not P |- P. */
export const DOUBLE_NEGATION = form(['line'], (_proof, line) => {
  const { formula, restsOn } = line
  if (formula.kind !== 'not' || formula.body.kind !== 'not') {
    return mismatch(`Line [${line.index}] is no double negation.`)
  }
  return { formula: formula.body.body, restsOn }
})

function contradiction(a: Line, b: Line): Pick<Line, 'restsOn'> | Refusal {
  return contradict(a.formula, b.formula)
    ? { restsOn: union(a.restsOn, b.restsOn) }
    : mismatch(`Lines [${a.index}] and [${b.index}] do not contradict each other.`)
}
