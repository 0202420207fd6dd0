import { sameFormula, type Formula } from '../formula.ts'
import { union, without } from '../index-set.ts'
import { contradict, denials, findInstance, type Binary } from './instance.ts'
import { form, isRefusal, mismatch } from './rule.ts'

/**
 * P or Q, not P |- Q, and P or Q, not Q |- P. The second may be universal. An exclusive or also gives
 * P xor Q, P |- not Q.
 */
export const DISJUNCTIVE_SYLLOGISM = form(['line', 'line'], (proof, choice, other) => {
  const { formula } = choice
  if (!isDisjunction(formula)) return mismatch(`Line [${choice.index}] is no disjunction.`)
  const exclusive = formula.kind === 'xor'
  const instance = findInstance(
    proof,
    other,
    (body) => [
      ...denials(body, formula.left),
      ...denials(body, formula.right),
      ...(exclusive
        ? ([
            [body, formula.left],
            [body, formula.right],
          ] as const)
        : []),
    ],
    `Line [${other.index}] decides neither side of line [${choice.index}].`,
  )
  if (isRefusal(instance)) return instance
  const restsOn = union(choice.restsOn, other.restsOn)
  if (contradict(instance, formula.left)) return { formula: formula.right, restsOn }
  if (contradict(instance, formula.right)) return { formula: formula.left, restsOn }
  const rest = sameFormula(instance, formula.left) ? formula.right : formula.left
  return { formula: proof.store.negation(rest), restsOn }
})

/** P |- P or Q for the given Q; `side` is the side on which P stands. */
export const OR_INTRO = form(['line', 'side', 'formula'], (proof, line, side, added) => ({
  formula:
    side === 0
      ? proof.store.binary('or', line.formula, added)
      : proof.store.binary('or', added, line.formula),
  restsOn: line.restsOn,
}))

/** P or Q; C derived under P; C derived under Q |- C, discharging both assumptions. */
export const CASE_SPLIT = form(
  ['line', 'assumption', 'line', 'assumption', 'line'],
  (_proof, choice, first, firstEnd, second, secondEnd) => {
    const { formula } = choice
    if (!isDisjunction(formula)) return mismatch(`Line [${choice.index}] is no disjunction.`)
    if (!isCases(formula, first.formula, second.formula)) {
      return mismatch(
        `The assumptions [${first.index}] and [${second.index}] are not the two sides of line [${choice.index}].`,
      )
    }
    if (!sameFormula(firstEnd.formula, secondEnd.formula)) {
      return mismatch(`The two cases end differently, in lines [${firstEnd.index}] and [${secondEnd.index}].`)
    }
    const cases = union(without(firstEnd.restsOn, first.index), without(secondEnd.restsOn, second.index))
    return {
      formula: firstEnd.formula,
      restsOn: union(choice.restsOn, cases),
      discharges: [first.index, second.index],
    }
  },
)

function isDisjunction(formula: Formula): formula is Binary {
  return formula.kind === 'or' || formula.kind === 'xor'
}

function isCases({ left, right }: Binary, a: Formula, b: Formula): boolean {
  return (sameFormula(left, a) && sameFormula(right, b)) || (sameFormula(left, b) && sameFormula(right, a))
}
