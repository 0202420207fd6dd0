import type { Formula, FormulaStore } from '../formula.ts'
import { abstractConstant, constantsOf, instantiate } from '../substitution.ts'
import type { RuleGraph } from './graph.ts'

/**
 * The `canonical` of every formula of a shortest derivation of one of the goals from one fact among the premises, by rules between
 * single properties: the fact, the rules, and what is derived on the way. Null where there is none.
 */
export function goldPath(
  store: FormulaStore,
  graph: RuleGraph,
  premises: readonly Formula[],
  goals: readonly Formula[],
): ReadonlySet<number> | null {
  let best: ReadonlySet<number> | null = null
  let length = Infinity
  for (const goal of goals) {
    const [constant, another] = constantsOf(goal)
    if (constant === undefined || another !== undefined) continue
    const end = abstractConstant(store, goal, constant)
    for (const fact of premises) {
      const names = constantsOf(fact)
      if (names.size !== 1 || !names.has(constant)) continue
      const edges = graph.path(abstractConstant(store, fact, constant), end)
      if (edges === null || edges.length >= length) continue
      length = edges.length
      const individual = [store.constant(constant)]
      const derived = edges.map(({ to }) => instantiate(store, to, individual).canonical)
      best = new Set([fact.canonical, ...edges.map(({ rule }) => rule), ...derived])
    }
  }
  return best
}
