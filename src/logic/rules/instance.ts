import { refuse, type Refusal } from '../checker/codes.ts'
import type { Line, Proof } from '../checker/proof.ts'
import { sameFormula, type BinaryKind, type Formula } from '../formula.ts'
import { MAX_COMPARISONS, matchInstance, universalPrefix } from '../matching.ts'
import { instantiate } from '../substitution.ts'
import { isRefusal, mismatch } from './rule.ts'

/** A part of a rule, and the formula that it must be the same as. */
export type Correspondence = readonly [part: Formula, target: Formula]

/**
 * The line's formula itself, or the one instance of it (constants for all its leading universal
 * quantifiers) in which one of the correspondences holds; the first that fits is taken. `read` gets the
 * formula without its quantifiers. `mismatchMessage` is the sentence for the case that none fits.
 */
export function findInstance(
  proof: Proof,
  line: Line,
  read: (body: Formula) => readonly Correspondence[],
  mismatchMessage: string,
): Formula | Refusal {
  const { variables, body } = universalPrefix(line.formula)
  let undetermined = false
  for (const [part, target] of read(body)) {
    if (variables === 0) {
      if (sameFormula(part, target)) return body
      continue
    }
    const found = matchInstance(proof.store, part, target, variables)
    if (found.kind === 'instance') return instantiate(proof.store, body, found.terms)
    if (found.kind === 'too_large') {
      return refuse(
        'too_large',
        `No instance of line [${line.index}] was found within ${MAX_COMPARISONS} comparisons.`,
      )
    }
    undetermined ||= found.kind === 'undetermined'
  }
  return mismatch(
    undetermined
      ? `Line [${line.index}] has a variable that the other line does not determine; instantiate it first.`
      : mismatchMessage,
  )
}

export type Binary = Extract<Formula, { readonly kind: BinaryKind }>

/** {@link findInstance} for an implication; anything else in the line is no rule. */
export function findImplication(
  proof: Proof,
  line: Line,
  read: (rule: Binary) => readonly Correspondence[],
  mismatchMessage: string,
): Binary | Refusal {
  const instance = findInstance(
    proof,
    line,
    (body) => (body.kind === 'implies' ? read(body) : []),
    mismatchMessage,
  )
  // An instance has the connective of its rule; the test only tells the compiler.
  return isRefusal(instance) || instance.kind === 'implies' ? instance : mismatch(mismatchMessage)
}

/** The ways in which `formula` and `other` can contradict each other: one is the other with "not" before it. */
export function denials(formula: Formula, other: Formula): Correspondence[] {
  const ways: Correspondence[] = []
  if (formula.kind === 'not') ways.push([formula.body, other])
  if (other.kind === 'not') ways.push([formula, other.body])
  return ways
}

/** Whether one formula is the negation of the other; not-not-P counts as the negation of not-P, and so does P. */
export function contradict(a: Formula, b: Formula): boolean {
  return denials(a, b).some(([x, y]) => sameFormula(x, y))
}
