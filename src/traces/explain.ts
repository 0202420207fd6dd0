import { JUDGE_CODES } from '../logic/checker/codes.ts'
import type { JudgedTrace, TraceStep } from './record.ts'

/** What {@link explainTrace} reads besides the verdicts. */
export interface ExplainedProblem {
  readonly premises: readonly string[]
  readonly conclusion: string
  readonly label?: unknown
}

/**
 * One judged trace for a person: numbered lines as the trace refers to them, what each step derives, and why
 * a step was refused.
 */
export function explainTrace(problem: ExplainedProblem, trace: JudgedTrace): string {
  const lines = problem.premises.map((premise, index) => `${bracketed(index)} ${premise}`)
  lines.push(`Query: ${problem.conclusion}`, '')
  for (const step of trace.steps) {
    const owns = step.option_type === 'CONCLUDE' ? null : problem.premises.length + step.step_idx
    lines.push(...explainStep(step, owns))
  }
  lines.push('', ...summary(trace, problem.label))
  return `${lines.join('\n')}\n`
}

function explainStep(step: TraceStep, owns: number | null): string[] {
  const mark = step.code === 'redundant' ? '=' : step.solver_valid ? '+' : '-'
  const option = step.option_type ?? '(no action)'
  const args = step.option_args.map((arg) => (typeof arg === 'number' ? String(arg) : `'${arg}'`))
  const derived = step.derived === null ? '' : `  =>  ${step.derived}`
  const lines = [
    `${mark} ${owns === null ? '    ' : bracketed(owns)} ${option}[${args.join(', ')}]${derived}`,
  ]
  if (step.thought !== '') lines.push(`       "${step.thought}"`)
  if (step.code === 'redundant') lines.push(`       redundant: ${JUDGE_CODES.redundant.meaning}`)
  else if (step.code !== null) lines.push(`       ${step.code}: ${step.solver_error ?? ''}`)
  for (const note of step.notes ?? []) lines.push(`       note, ${note.code}: ${note.message}`)
  return lines
}

function summary(trace: JudgedTrace, label: unknown): string[] {
  const answer = trace.final_answer ?? 'none'
  const gold = typeof label === 'string' ? ` (gold label ${label})` : ''
  const warrant =
    trace.warrant === 'proof'
      ? 'proved by the trace'
      : trace.warrant === 'solver'
        ? 'certified by the solver'
        : 'not warranted'
  const rate = `${(100 * trace.validity_rate).toFixed(1)} %`
  const lines = [
    `Answer: ${answer}${gold}, ${warrant}.`,
    `Steps: ${trace.valid_step_count} of ${trace.total_step_count} valid; validity rate ${rate}.`,
  ]
  if (trace.trace_code !== null) lines.push(JUDGE_CODES[trace.trace_code].meaning)
  if (trace.status === 'inconsistent') lines.push(JUDGE_CODES.inconsistent.meaning)
  if (trace.status === 'unverifiable') lines.push(JUDGE_CODES.unverifiable.meaning)
  lines.push(`The trace is ${trace.trace_valid ? 'valid' : 'not valid'}.`)
  return lines
}

function bracketed(index: number): string {
  return `[${index}]`.padStart(4)
}
