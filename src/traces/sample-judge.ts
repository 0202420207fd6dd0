import { type PreparedProblem, prepareProblem, type Unverifiable } from '../logic/checker/prepare.ts'
import type { Problem } from '../problems/problem.ts'
import { judgeCompletion } from './judge.ts'
import type { JudgedTrace } from './record.ts'

/** Of a problem, what the judge reads. */
export type JudgedProblem = Pick<
  Problem,
  'problem_id' | 'premises' | 'conclusion' | 'label' | 'premises_fol' | 'conclusion_fol' | 'entailment'
>

/** Judges the text of one sample; `problem` is the problem's index. */
export type SampleJudge = (problem: number, text: string) => JudgedTrace

/**
 * A judge of a fixed number of samples of each problem. A problem is prepared at its first sample and forgotten
 * after its last: its store of formulas is shared by its own samples only.
 */
export function createSampleJudge(problems: readonly JudgedProblem[], samples: number): SampleJudge {
  const open = new Map<number, { prepared: PreparedProblem | Unverifiable; left: number }>()
  return (index, text) => {
    const problem = problems[index]
    if (problem === undefined) throw new RangeError(`no problem ${index}`)
    const entry = open.get(index) ?? { prepared: prepareProblem(problem), left: samples }
    entry.left--
    if (entry.left === 0) open.delete(index)
    else open.set(index, entry)
    return judgeCompletion(entry.prepared, problem.label, text)
  }
}
