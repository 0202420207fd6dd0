import { type EvaluationConfig, evaluationSchema } from '../config/evaluation.ts'
import { ElenchusError } from '../errors.ts'
import type { EvaluationMetrics, MetricsRow } from '../evaluation/metrics.ts'
import { runEvaluation, type EvaluationSummary } from '../evaluation/stage.ts'
import { loadProblemFiles } from '../pipelines/problem-files.ts'
import { problemLengths, USUAL_RANK } from '../pipelines/plan-stage.ts'
import type { Problem } from '../problems/problem.ts'
import { annotateProblems } from '../problems/annotate.ts'
import type { EvaluateOptions } from './commands/evaluate.ts'
import { checkEvaluated, openEvaluated, type PreparedEvaluation } from './evaluated-policy.ts'
import { readSchemaFlags } from './flags.ts'
import type { Session } from './session.ts'
import { percent, renderTable, withInterval } from './table.ts'
import { counts } from './totals.ts'

const DEFAULTS = { max_steps: 12, max_thought_tokens: 120 }

/** `elenchus evaluate` for problems that are proved. */
export async function prepareProofs(options: EvaluateOptions): Promise<PreparedEvaluation> {
  const config = readSchemaFlags(evaluationSchema, { ...options }, DEFAULTS)
  const problems = annotateProblems((await loadProblemFiles(options.data)).slice(0, options.numProblems))
  const { base, adapter } = await checkEvaluated(options)
  return {
    plan: {
      command: 'evaluate',
      model: base,
      lengths: problemLengths(problems),
      stage: (planner) =>
        planner.sample(
          'evaluation',
          'problems',
          problems.length,
          config.samples_per_problem,
          config,
          adapter === null ? null : USUAL_RANK,
        ),
    },
    evaluate: (session) => evaluate(options, { config, problems }, session),
  }
}

async function evaluate(
  options: EvaluateOptions,
  { config, problems }: { readonly config: EvaluationConfig; readonly problems: readonly Problem[] },
  { events, signal, print }: Session,
): Promise<void> {
  const { backend: opened, policy } = await openEvaluated(options, options.output, { events, signal })
  await using backend = opened
  const summary = await runEvaluation(
    { backend, events, signal, resume: options.resume ?? false },
    { dir: options.output, config, seed: options.seed, problems, policy },
  )
  print(renderEvaluation(summary), summary)
  if (options.gate !== undefined) enforceGate(summary.metrics, options.gate)
}

function enforceGate(metrics: EvaluationMetrics, gate: number): void {
  const value = metrics.trace_validity?.value
  if (value === undefined || !(value >= gate)) {
    throw new ElenchusError(
      'gate_failed',
      `Trace validity ${percent(value)} % is below the gate of ${percent(gate)} %.`,
    )
  }
}

function renderEvaluation({ metrics, solver }: EvaluationSummary): string {
  const table = renderTable(
    ['problems', 'count', 'accuracy %', 'step validity %', 'trace validity %', 'warranted %'],
    [
      ['all', ...cells(metrics)],
      ...metrics.by_label.map((row) => [`label ${row.label}`, ...cells(row)]),
      ...metrics.by_depth.map((row) => [`depth ${row.depth ?? '?'}`, ...cells(row)]),
    ],
  )
  const consistency = metrics.self_consistency
  return [
    table,
    '',
    ...(consistency === null
      ? []
      : [`self-consistency of ${consistency.k} samples: accuracy ${withInterval(consistency.accuracy)}`]),
    `commonest label: ${percent(metrics.majority_label.accuracy.value)} %; solver alone: ${percent(solver.accuracy.value)} %`,
    `steps per trace ${metrics.steps_per_trace.value.toFixed(1)}, tokens per trace ${metrics.tokens_per_trace.value.toFixed(1)}`,
    `ended by: ${counts(metrics.finish_reasons)}`,
    `codes: ${counts(metrics.error_codes) || 'none'}`,
  ].join('\n')
}

function cells(row: MetricsRow): string[] {
  return [
    String(row.problems),
    withInterval(row.accuracy),
    withInterval(row.step_validity),
    withInterval(row.trace_validity),
    withInterval(row.warranted),
  ]
}
