import { excerpt, refuse } from '../checker/codes.ts'
import type { Line, Proof } from '../checker/proof.ts'
import type { QuantifierKind } from '../formula.ts'
import { abstractConstant, instantiate, predicatesOf } from '../substitution.ts'
import { form, isRefusal, mismatch, type Outcome } from './rule.ts'

/** For all x, P(x) |- P(c). */
export const UNIV_INSTANTIATION = form(['line', 'constant'], (proof, line, constant) =>
  instance(proof, line, constant, 'forall'),
)

/** As UNIV_INSTANTIATION; the third argument must name a predicate of the result (the old guide's SUBST). */
export const UNIV_INSTANTIATION_NAMED = form(
  ['line', 'constant', 'predicate'],
  (proof, line, constant, predicate) => {
    const outcome = instance(proof, line, constant, 'forall')
    if (isRefusal(outcome)) return outcome
    if ([...predicatesOf(outcome.formula)].some(predicate.names)) return outcome
    return mismatch(`The predicate ${excerpt(predicate.text)} does not occur in the result.`)
  },
)

/** There is an x with P(x) |- P(w), for a new constant w: the witness. */
export const EXIST_INSTANTIATION = form(['line', 'constant'], (proof, line, witness) => {
  if (line.formula.kind === 'exists' && proof.mentions(witness)) {
    return refuse(
      'eigenvariable',
      `The witness "${witness}" is not new: it occurs in the problem or an earlier line.`,
    )
  }
  const outcome = instance(proof, line, witness, 'exists')
  return isRefusal(outcome) ? outcome : { ...outcome, witness }
})

/**
 * P(c) |- for all x, P(x), where c is arbitrary: it is no witness, no premise or assumption that the line
 * rests on mentions it, and no witness in the line was chosen depending on it.
 */
export const UNIV_GENERALIZATION = form(['line', 'constant'], (proof, line, constant) => {
  if (proof.isWitness(constant)) {
    return refuse('eigenvariable', `"${constant}" is a witness, not an arbitrary individual.`)
  }
  const support = proof.supportMentioning(line.restsOn, constant)
  if (support !== undefined) {
    return refuse(
      'eigenvariable',
      `"${constant}" is not arbitrary: the line rests on [${support}], which mentions it.`,
    )
  }
  const dependent = proof.dependentWitness(line.formula, constant)
  if (dependent !== undefined) {
    return refuse('eigenvariable', `The witness "${dependent}" was chosen depending on "${constant}".`)
  }
  return generalisation(proof, line, constant, 'forall')
})

/** P(c) |- there is an x with P(x). */
export const EXIST_GENERALIZATION = form(['line', 'constant'], (proof, line, constant) =>
  generalisation(proof, line, constant, 'exists'),
)

function instance(proof: Proof, line: Line, constant: string, kind: QuantifierKind): Outcome {
  const { formula, restsOn } = line
  if (formula.kind !== kind) {
    return mismatch(
      `Line [${line.index}] is no ${kind === 'forall' ? 'universal' : 'existential'} statement.`,
    )
  }
  return { formula: instantiate(proof.store, formula.body, [proof.store.constant(constant)]), restsOn }
}

/** Replaces every occurrence of the constant; a constant that does not occur would give an empty quantifier. */
function generalisation(proof: Proof, line: Line, constant: string, kind: QuantifierKind): Outcome {
  const { formula, restsOn } = line
  if (!proof.constants(formula).has(constant)) {
    return mismatch(`"${constant}" does not occur in line [${line.index}].`)
  }
  const body = abstractConstant(proof.store, formula, constant)
  return { formula: proof.store.quantified(kind, 'x', body), restsOn }
}
