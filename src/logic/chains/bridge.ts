import type { Formula } from '../formula.ts'
import { EMPTY } from '../index-set.ts'
import { constantsOf, abstractConstant, instantiate } from '../substitution.ts'
import type { ChainBook } from './book.ts'
import type { Edge, RuleGraph } from './graph.ts'
import { applied, byConjunction, type Lookup } from './one-rule.ts'
import { operandsOf, universalRule } from './parts.ts'
import { both, EVERY_READING, WITH_BOTH, WITH_NON_ATOMIC, within, type Support } from './support.ts'

/** What a step can be bridged from. */
export interface Ground {
  readonly book: ChainBook
  readonly graph: RuleGraph
  /** `canonical` of every premise. */
  readonly premises: ReadonlySet<number>
  /** What the chain has said so far, one formula a step; null where a step was not accepted. */
  readonly said: readonly (Formula | null)[]
}

/**
 * The ways in which a claim follows from what was said and from premises that were not, by any number of rules: the
 * *non-atomic* step. Such a step has to continue the sentence before it, as in the official judge:
 *
 * - that sentence is a fact, and rules lead from it to the claim; or
 * - it is a rule whose condition was said, or is a premise, or itself continues the sentence before the rule, and
 *   whose consequence is the claim or leads to it.
 *
 * A gap never leads over a sentence that was wrong, nor through a formula that the chain has asserted without a right to.
 */
export function supportsAcrossGap(ground: Ground, claim: Formula): readonly Support[] {
  const ways = [...fromUnstatedPremise(ground, claim), ...alongRules(ground, claim)]
  return within(ways, WITH_NON_ATOMIC | WITH_BOTH)
}

/** One rule, with a premise in the place of a sentence that was not said; the sentence before is among what it uses. */
function fromUnstatedPremise(ground: Ground, claim: Formula): readonly Support[] {
  const { book, said } = ground
  const last = said.at(-1) ?? null
  if (last === null) return []
  const lookup = known(ground)
  if (claim.kind === 'and') {
    const usesLast = operandsOf(claim, 'and').some(({ canonical }) => canonical === last.canonical)
    return usesLast ? byConjunction(claim, lookup) : []
  }
  const rules = book.rulesFor(claim).filter(({ formula }) => formula.canonical === last.canonical)
  return rules.flatMap((rule) =>
    applied(book, rule, claim, (condition) =>
      condition.kind === 'and' ? byConjunction(condition, lookup) : lookup(condition),
    ),
  )
}

/** The claim as a property of its one individual, reached along the premises' rules from the sentence before. */
function alongRules(ground: Ground, claim: Formula): readonly Support[] {
  const { book, graph, said } = ground
  const { store } = book
  const [constant, another] = constantsOf(claim)
  if (constant === undefined || another !== undefined) return []
  const individual = [store.constant(constant)]
  const of = (property: Formula): Formula => instantiate(store, property, individual)
  const isClosed = (property: Formula): boolean => book.isWrong(of(property))
  const lookup = known(ground)
  let way: readonly Support[] = [{ readings: EVERY_READING, assumptions: EMPTY }]
  let goal = abstractConstant(store, claim, constant)
  // Each turn accounts for one rule of the run of rules before the claim, the last one first.
  for (let at = said.length - 1; ; at--) {
    const sentence = said[at] ?? null
    if (sentence === null) return []
    way = both(way, book.supports(sentence))
    if (universalRule(sentence) === null) {
      const toReach = goal
      const facts = operandsOf(sentence, 'and').filter((fact) => constantsOf(fact).has(constant))
      const reaches = facts.some(
        (fact) => graph.path(abstractConstant(store, fact, constant), toReach, isClosed) !== null,
      )
      return reaches ? way : []
    }
    const edge = edgeTo(ground, sentence, goal, isClosed)
    if (edge === null) return []
    const condition = of(edge.from)
    if (book.isWrong(condition)) return []
    const supports = lookup(condition)
    if (supports.length > 0) return both(way, supports)
    goal = edge.from
  }
}

/** The edge of a rule from whose end the goal is reached. */
function edgeTo(
  { graph }: Ground,
  rule: Formula,
  goal: Formula,
  isClosed: (property: Formula) => boolean,
): Edge | null {
  const reaching = graph.edgesOfRule(rule).find(({ from, to }) => {
    if (from.canonical === goal.canonical) return false
    return to.canonical === goal.canonical || (!isClosed(to) && graph.path(to, goal, isClosed) !== null)
  })
  return reaching ?? null
}

/** What was said, and where it was not, whether it is a premise. */
function known({ book, premises }: Ground): Lookup {
  const premise: readonly Support[] = [{ readings: EVERY_READING, assumptions: EMPTY }]
  return (formula) => {
    const supports = book.supports(formula)
    return supports.length === 0 && premises.has(formula.canonical) ? premise : supports
  }
}
