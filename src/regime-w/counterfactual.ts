import { judge } from '../answers/equations/holds.ts'
import { readStatements } from '../answers/equations/read.ts'
import { traceDependence } from '../answers/execution.ts'
import { parseNumber } from '../answers/number.ts'

/** What the text of one trajectory says under re-execution. Shares are in [0, 1]. */
export interface Counterfactual {
  /** Equations found, and how many of them hold. */
  readonly equations: number
  readonly holding: number
  /** Share of the equations that hold; null without equations. */
  readonly consistency: number | null
  /** Numbers of the question that the equations use, and how many of them the final answer depends on. */
  readonly inputs: number
  readonly reaching: number
  /** Share of those inputs whose change reaches the final answer; null if none is used. */
  readonly dependence: number | null
  /** consistency x dependence; null if either is. */
  readonly score: number | null
}

/**
 * Counterfactual score of one trajectory from its text alone (DESIGN section 5): its equations are
 * recomputed, then each question number that they use is changed by +1 and by +7 and the equations are
 * executed again.
 * @param answer the trajectory's final answer; null if it has none.
 */
export function scoreCounterfactual(question: string, text: string, answer: string | null): Counterfactual {
  const statements = readStatements(text)
  let [equations, holding] = [0, 0]
  for (const statement of statements) {
    const verdict = judge(statement)
    equations += verdict.equations
    holding += verdict.holding
  }
  const { used, reaching } = traceDependence(
    statements,
    question,
    answer === null ? null : parseNumber(answer),
  )
  const consistency = equations === 0 ? null : holding / equations
  const dependence = used === 0 ? null : reaching / used
  const score = consistency === null || dependence === null ? null : consistency * dependence
  return { equations, holding, consistency, inputs: used, reaching, dependence, score }
}

/** How {@link scoreCounterfactual} is asked. */
export type CounterfactualScorer = typeof scoreCounterfactual

/** The same scores, each text's computed once: for whoever scores the same trajectories with several presets. */
export function rememberCounterfactuals(): CounterfactualScorer {
  const known = new Map<string, Counterfactual>()
  return (question, text, answer) => {
    const key = JSON.stringify([question, text, answer])
    const found = known.get(key) ?? scoreCounterfactual(question, text, answer)
    known.set(key, found)
    return found
  }
}
