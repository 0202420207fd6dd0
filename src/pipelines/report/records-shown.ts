import { judge } from '../../answers/equations/holds.ts'
import { readStatements } from '../../answers/equations/read.ts'
import type { QuestionRow } from '../../evaluation/questions-metrics.ts'
import { JUDGE_CODES } from '../../logic/checker/codes.ts'
import type { RolloutGroup } from '../../regime-w/group.ts'
import type { ViewerAnswer, ViewerLine, ViewerProblem, ViewerStep, ViewerTrace } from '../../report/viewer.ts'
import type { TraceRecord, TraceStep } from '../../traces/record.ts'

/** A trace record as the viewer shows it. */
export function shownTrace(record: TraceRecord): ViewerTrace {
  const codes = record.steps.flatMap(({ code }) => code ?? [])
  if (record.trace_code !== null) codes.push(record.trace_code)
  return {
    kind: 'trace',
    sample: record.sample_idx,
    answer: record.final_answer,
    correct: record.correct,
    valid: record.trace_valid,
    warrant: record.warrant,
    status: record.status,
    problem: sentenceOf(record),
    codes: [...new Set(codes)],
    rate: record.validity_rate,
    steps: record.steps.map((step) => shownStep(step, record.premises.length)),
    tokens: record.num_tokens,
    finish: record.finish_reason,
    text: record.steps.length === 0 ? record.completion : null,
  }
}

function sentenceOf({ status, trace_code }: TraceRecord): string | null {
  if (status !== 'judged') return JUDGE_CODES[status].meaning
  return trace_code === null ? null : JUDGE_CODES[trace_code].meaning
}

function shownStep(step: TraceStep, premises: number): ViewerStep {
  return {
    index: step.option_type === 'CONCLUDE' ? null : premises + step.step_idx,
    thought: step.thought,
    action: step.action,
    option: step.option_type,
    verdict: step.code === 'redundant' ? 'redundant' : step.solver_valid ? 'valid' : 'invalid',
    code: step.code,
    error: step.code === 'redundant' ? JUDGE_CODES.redundant.meaning : step.solver_error,
    derived: step.derived,
    notes: (step.notes ?? []).map(({ message }) => message),
  }
}

export function proofOf(record: TraceRecord): ViewerProblem {
  return {
    kind: 'proof',
    id: record.problem_id,
    premises: record.premises,
    conclusion: record.conclusion,
    label: record.label,
    depth: record.depth ?? null,
  }
}

export function questionOf(record: Pick<QuestionRow, 'question_id' | 'question' | 'gold'>): ViewerProblem {
  return { kind: 'question', id: record.question_id, question: record.question, gold: record.gold }
}

/** An evaluation row as the viewer shows it. */
export function shownRow(row: QuestionRow): ViewerAnswer {
  return {
    kind: 'answer',
    answer: row.prediction,
    correct: row.correct,
    lines: shownLines(row.output),
    tokens: row.num_tokens,
    finish: row.finish_reason,
    reward: null,
  }
}

export function shownTrajectory(trajectory: RolloutGroup['trajectories'][number]): ViewerAnswer {
  const { reward } = trajectory
  return {
    kind: 'answer',
    answer: trajectory.answer === null ? null : String(trajectory.answer),
    correct: trajectory.correct,
    lines: shownLines(trajectory.full_text),
    tokens: trajectory.num_tokens,
    finish: trajectory.finish_reason ?? null,
    reward: typeof reward === 'number' ? reward : null,
  }
}

/** Each line with the verdict on its equations: it holds only if every one of them does. */
function shownLines(text: string): ViewerLine[] {
  return text.split(/\r?\n/).map((line) => {
    const verdicts = readStatements(line).map(judge)
    const equations = verdicts.reduce((sum, each) => sum + each.equations, 0)
    const holding = verdicts.reduce((sum, each) => sum + each.holding, 0)
    return { text: line, holds: equations === 0 ? null : holding === equations }
  })
}
