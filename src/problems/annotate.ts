import { parseTheory } from '../logic/language/theory.ts'
import { decideByClosure } from '../logic/search/closure.ts'
import type { Entailment } from '../logic/truth.ts'
import { goldTrace } from './gold-trace.ts'
import type { Problem } from './problem.ts'

/**
 * Problems with what can be computed from their premises: the entailment where the closure decides it, and the gold
 * proof where one is found. What a problem has already is kept; what cannot be had stays absent.
 */
export function annotateProblems(problems: readonly Problem[]): Problem[] {
  return problems.map(annotateProblem)
}

export function annotateProblem(problem: Problem): Problem {
  const entailment = problem.entailment ?? closureOf(problem)
  const decided: Problem = entailment === undefined ? problem : { ...problem, entailment }
  if (decided.gold !== undefined) return decided
  const gold = goldTrace(decided)
  return gold.ok ? { ...decided, gold: [...gold.steps] } : decided
}

function closureOf(problem: Problem): Entailment | undefined {
  const theory = parseTheory(problem)
  return theory.ok ? (decideByClosure(theory) ?? undefined) : undefined
}
