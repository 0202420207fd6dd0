import * as z from 'zod'
import { ElenchusError } from '../errors.ts'
import { LABELS } from '../logic/truth.ts'
import { describeIssues } from '../runs/record-line.ts'

/** What the metrics need of a judged trace; every field must be there. A trace record has them all. */
export const evaluatedTraceSchema = z.object({
  problem_id: z.string(),
  sample_idx: z.number().int().nonnegative(),
  label: z.enum(LABELS),
  depth: z.number().int().nonnegative().optional(),
  /** `inconsistent` and `unverifiable` problems cannot be judged and are set apart. */
  status: z.enum(['judged', 'inconsistent', 'unverifiable']),
  /** What is wrong with the trace beyond its steps. */
  trace_code: z.string().nullable(),
  final_answer: z.enum(LABELS).nullable(),
  correct: z.boolean(),
  warranted: z.boolean(),
  warrant: z.enum(['proof', 'solver']).nullable(),
  trace_valid: z.boolean(),
  /** Sound steps, redundant ones included. */
  valid_step_count: z.number().int().nonnegative(),
  total_step_count: z.number().int().nonnegative(),
  /** (new formulas + a warranted CONCLUDE) / all steps; 0 without steps. */
  validity_rate: z.number().min(0).max(1),
  num_tokens: z.number().int().nonnegative(),
  finish_reason: z.string(),
  steps: z.array(z.object({ code: z.string().nullable() })),
})
export type EvaluatedTrace = z.infer<typeof evaluatedTraceSchema>

/** The traces of one problem, by sample. */
export interface ProblemTraces {
  readonly problem_id: string
  readonly label: EvaluatedTrace['label']
  readonly depth: number | undefined
  /** `inconsistent` if one of the traces has shown it, whatever the others noticed. */
  readonly status: EvaluatedTrace['status']
  readonly traces: readonly EvaluatedTrace[]
}

/**
 * Checks the traces and groups them by problem, in order of first appearance.
 *
 * @throws ElenchusError `record_invalid` for a missing or impossible value (missing is never zero), for
 *   a sample that is there twice, and for traces that disagree about their problem.
 */
export function groupByProblem(traces: readonly EvaluatedTrace[]): ProblemTraces[] {
  const groups = new Map<string, EvaluatedTrace[]>()
  for (const [index, unchecked] of traces.entries()) {
    const trace = checked(unchecked, index)
    const group = groups.get(trace.problem_id)
    if (group === undefined) groups.set(trace.problem_id, [trace])
    else group.push(trace)
  }
  return [...groups].map(([problem_id, group]) => asProblem(problem_id, group))
}

function checked(trace: unknown, index: number): EvaluatedTrace {
  const result = evaluatedTraceSchema.safeParse(trace)
  if (!result.success) {
    throw new ElenchusError('record_invalid', `Trace ${index + 1}: ${describeIssues(result.error)}.`)
  }
  const { valid_step_count, total_step_count, steps } = result.data
  if (valid_step_count > total_step_count || steps.length !== total_step_count) {
    const counts = `${valid_step_count} valid of ${total_step_count}, with ${steps.length} listed`
    throw new ElenchusError('record_invalid', `Trace ${index + 1}: its numbers of steps disagree: ${counts}.`)
  }
  return result.data
}

function asProblem(problem_id: string, group: EvaluatedTrace[]): ProblemTraces {
  const traces = group.sort((a, b) => a.sample_idx - b.sample_idx)
  const first = traces[0]!
  for (const [position, trace] of traces.entries()) {
    if (position > 0 && trace.sample_idx === traces[position - 1]!.sample_idx) {
      throw invalid(problem_id, `sample ${trace.sample_idx} is there twice`)
    }
    if (trace.label !== first.label || trace.depth !== first.depth) {
      throw invalid(problem_id, 'its traces disagree about its label or depth')
    }
  }
  const status = traces.find((trace) => trace.status !== 'judged')?.status ?? 'judged'
  return { problem_id, label: first.label, depth: first.depth, status, traces }
}

function invalid(problem: string, reason: string): ElenchusError {
  return new ElenchusError('record_invalid', `Problem "${problem}": ${reason}.`, { details: { problem } })
}
