import { sameFormula, type Formula } from '../formula.ts'
import { isSubset, members, without } from '../index-set.ts'
import { matchInstance } from '../matching.ts'
import { instantiate } from '../substitution.ts'
import type { ChainBook, StatedRule } from './book.ts'
import { operandsOf } from './parts.ts'
import { addSupport, both, type Support } from './support.ts'

/** How a formula can be looked up: what the chain has stated, or that and the premises too. */
export type Lookup = (formula: Formula) => readonly Support[]

/**
 * The ways in which a claim follows by one rule from what a chain has established: said before; a universal rule and
 * its condition (the consequence, or one of its conjuncts); introduction and elimination of "and"; introduction of
 * "or"; cases; the denial of an assumption that led to a contradiction.
 *
 * Modus tollens is not among them, as in the official judge, where a step that needs it is non-atomic.
 */
export function supportsByOneRule(book: ChainBook, claim: Formula): readonly Support[] {
  const ways = [
    book.supports(claim),
    book.conjunctSupports(claim),
    ...book.rulesFor(claim).map((rule) => applied(book, rule, claim, book.supports.bind(book))),
    byConjunction(claim, book.supports.bind(book)),
    byDisjunction(book, claim),
    byCases(book, claim),
    byContradiction(book, claim),
  ]
  return ways.flat().reduce<readonly Support[]>(addSupport, [])
}

/** "P, not P": the ways to a contradiction with a formula that stands, or is cited from the premises. */
export function contradictionWith(book: ChainBook, formula: Formula, lookup: Lookup): readonly Support[] {
  const { store } = book
  const denials = [store.negation(formula), store.not(formula)]
  return denials.flatMap((denial) => both(lookup(formula), book.supports(denial)))
}

/** The ways to a claim by one stated rule; the condition is looked up. */
export function applied(
  book: ChainBook,
  rule: StatedRule,
  claim: Formula,
  lookup: Lookup,
): readonly Support[] {
  return conditionsOf(book, rule, claim).flatMap((condition) =>
    both(book.supports(rule.formula), lookup(condition)),
  )
}

/** Every condition under which the rule gives the claim. */
function conditionsOf(book: ChainBook, rule: StatedRule, claim: Formula): readonly Formula[] {
  return rule.consequences.flatMap((consequence) => {
    if (rule.variables === 0) return sameFormula(consequence, claim) ? [rule.condition] : []
    const found = matchInstance(book.store, consequence, claim, rule.variables)
    return found.kind === 'instance' ? [instantiate(book.store, rule.condition, found.terms)] : []
  })
}

/** The ways to a conjunction from its conjuncts; none for any other claim. */
export function byConjunction(claim: Formula, lookup: Lookup): readonly Support[] {
  if (claim.kind !== 'and') return []
  const [first, ...others] = operandsOf(claim, 'and').map(lookup)
  return others.reduce((ways, next) => both(ways, next), first ?? [])
}

function byDisjunction(book: ChainBook, claim: Formula): readonly Support[] {
  return claim.kind === 'or' ? operandsOf(claim, 'or').flatMap((operand) => book.supports(operand)) : []
}

/** The claim stands under each operand of a stated disjunction, assumed in turn; those assumptions are discharged. */
function byCases(book: ChainBook, claim: Formula): readonly Support[] {
  const cases = book.supports(claim).filter(({ assumptions }) => assumptions.length > 0)
  const assumed = new Set(
    cases.flatMap(({ assumptions }) =>
      members(assumptions).flatMap((number) => book.assumption(number) ?? []),
    ),
  )
  const disjunctions = new Set([...assumed].flatMap((formula) => book.disjunctionsWith(formula)))
  return [...disjunctions].flatMap((disjunction) => {
    let ways: readonly Support[] = book.supports(disjunction)
    for (const operand of operandsOf(disjunction, 'or')) ways = both(ways, discharged(book, cases, operand))
    return ways
  })
}

/** Not-A, or A after "assume not A", from a contradiction that rests on the assumption. */
function byContradiction(book: ChainBook, claim: Formula): readonly Support[] {
  const contradictions = book.supports(book.store.falsum())
  if (contradictions.length === 0) return []
  const denied = claim.kind === 'not' ? [claim.body, book.store.not(claim)] : [book.store.not(claim)]
  return denied.flatMap((assumption) => discharged(book, contradictions, assumption))
}

/** The ways that rest on an assumption, without it. */
function discharged(book: ChainBook, ways: readonly Support[], assumption: Formula): readonly Support[] {
  const own = book.assumptionSet(assumption)
  if (own === null) return []
  const [number = 0] = members(own)
  return ways
    .filter(({ assumptions }) => isSubset(own, assumptions))
    .map(({ readings, assumptions }) => ({ readings, assumptions: without(assumptions, number) }))
}
