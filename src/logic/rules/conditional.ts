import { sameFormula } from '../formula.ts'
import { union, without } from '../index-set.ts'
import { universalPrefix } from '../matching.ts'
import { denials, findImplication } from './instance.ts'
import { form, isRefusal, mismatch } from './rule.ts'

/** P, P -> Q |- Q. The second may be universal. */
export const MODUS_PONENS = form(['line', 'line'], (proof, fact, rule) => {
  const instance = findImplication(
    proof,
    rule,
    (implication) => [[implication.left, fact.formula]],
    `Line [${rule.index}] is no rule whose condition is line [${fact.index}].`,
  )
  if (isRefusal(instance)) return instance
  return { formula: instance.right, restsOn: union(fact.restsOn, rule.restsOn) }
})

/** not Q, P -> Q |- not P. The second may be universal. */
export const MODUS_TOLLENS = form(['line', 'line'], (proof, denial, rule) => {
  const instance = findImplication(
    proof,
    rule,
    (implication) => denials(implication.right, denial.formula),
    `Line [${denial.index}] does not deny the consequence of a rule in line [${rule.index}].`,
  )
  if (isRefusal(instance)) return instance
  return { formula: proof.store.negation(instance.left), restsOn: union(denial.restsOn, rule.restsOn) }
})

/**
 * P -> Q, Q -> R |- P -> R. The second may be universal; two universal rules with the same number of
 * variables combine under their quantifiers.
 */
export const HYPOTHETICAL_SYLLOGISM = form(['line', 'line'], (proof, first, second) => {
  const restsOn = union(first.restsOn, second.restsOn)
  const a = universalPrefix(first.formula)
  const b = universalPrefix(second.formula)
  const explanation = `The consequence of line [${first.index}] is not the condition of line [${second.index}].`
  if (a.body.kind !== 'implies') return mismatch(`Line [${first.index}] is no implication.`)
  if (a.variables > 0) {
    if (a.variables !== b.variables || b.body.kind !== 'implies' || !sameFormula(a.body.right, b.body.left)) {
      return mismatch(explanation)
    }
    let formula = proof.store.binary('implies', a.body.left, b.body.right)
    for (let i = 0; i < a.variables; i++) formula = proof.store.quantified('forall', 'x', formula)
    return { formula, restsOn }
  }
  const consequence = a.body.right
  const instance = findImplication(
    proof,
    second,
    (implication) => [[implication.left, consequence]],
    explanation,
  )
  if (isRefusal(instance)) return instance
  return { formula: proof.store.binary('implies', a.body.left, instance.right), restsOn }
})

/** J, derived under the assumption A |- A -> J, discharging A. */
export const CONDITIONAL_PROOF = form(['assumption', 'line'], (proof, assumption, line) => ({
  formula: proof.store.binary('implies', assumption.formula, line.formula),
  restsOn: without(line.restsOn, assumption.index),
  discharges: [assumption.index],
}))
