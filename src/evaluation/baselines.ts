import type { Entailment, Label } from '../logic/truth.ts'
import type { Problem } from '../problems/problem.ts'
import { wilson, type Estimate } from './statistics.ts'

/** What the solver alone answers, from the entailment stored with each problem. */
export interface SolverBaseline {
  /** A problem that the entailment does not decide counts as wrong. */
  readonly accuracy: Estimate
  /** Problems without an answer: inconsistent, undecided, or never computed. */
  readonly undecided: number
}

const ANSWER: Readonly<Record<Entailment, Label | null>> = {
  proved: 'TRUE',
  refuted: 'FALSE',
  unknown: 'UNKNOWN',
  inconsistent: null,
  undecided: null,
}

/** @param problems at least one. */
export function solverBaseline(problems: readonly Problem[]): SolverBaseline {
  const answers = problems.map((problem) => ANSWER[problem.entailment ?? 'undecided'])
  const right = answers.filter((answer, index) => answer === problems[index]?.label).length
  return {
    accuracy: wilson(right, problems.length),
    undecided: answers.filter((answer) => answer === null).length,
  }
}
