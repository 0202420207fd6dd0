import { join } from 'node:path'
import { Command } from 'commander'
import { evaluationSchema } from '../../config/evaluation.ts'
import { ElenchusError } from '../../errors.ts'
import type { EvaluationMetrics, MetricsRow } from '../../evaluation/metrics.ts'
import { runEvaluation, type EvaluationSummary } from '../../evaluation/stage.ts'
import type { Estimate } from '../../evaluation/statistics.ts'
import { resolveModel } from '../../pipelines/model-reference.ts'
import { loadProblemFiles } from '../../pipelines/problem-files.ts'
import { annotateProblems } from '../../problems/annotate.ts'
import { addBackendFlags, openTorch, policyOf, readBackendFlags } from '../backend.ts'
import { addSchemaFlags, readSchemaFlags } from '../flags.ts'
import { withSession } from '../session.ts'
import { percent, renderTable } from '../table.ts'
import { counts } from '../totals.ts'
import { addModelFlags, addRunFlags, type ModelOptions, type RunOptions } from './shared.ts'

const DEFAULTS = { max_steps: 12, max_thought_tokens: 120 }

interface EvaluateOptions extends RunOptions, ModelOptions {
  readonly data: readonly string[]
  readonly numProblems?: string
  readonly mergeAdapter?: boolean
  readonly gate?: string
}

/** `elenchus evaluate`: accuracy and validity of a policy on held-out problems. */
export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .description('evaluate a model on problems: accuracy, step and trace validity, with intervals')
    .requiredOption('--data <files...>', 'problem files')
    .option('--num-problems <n>', 'the first n problems')
    .option('--merge-adapter', 'evaluate a second, merged copy of the model, made for this evaluation only')
    .option('--gate <share>', 'exit with status 5 if trace validity is below this share, for example 0.6')
  addModelFlags(command)
  addSchemaFlags(command, evaluationSchema)
  addBackendFlags(command)
  return addRunFlags(command)
    .addHelpText(
      'after',
      '\nExample:\n  elenchus evaluate --model outputs/dpo/run1/final --data data/processed/prontoqa_test.jsonl \\\n    --output outputs/evaluation/run1',
    )
    .action(async (options: EvaluateOptions) => {
      await withSession(options, async ({ events, signal, print }) => {
        const config = readSchemaFlags(evaluationSchema, { ...options }, DEFAULTS)
        const limit = options.numProblems === undefined ? undefined : Number(options.numProblems)
        const problems = annotateProblems((await loadProblemFiles(options.data)).slice(0, limit))
        const reference = await resolveModel(options)
        await using backend = openTorch(readBackendFlags({ ...options }), reference.base, {
          logDirectory: join(options.output, 'logs'),
          events,
        })
        let policy = await policyOf(backend, reference)
        if (options.mergeAdapter === true && policy.kind === 'adapter') {
          const merged = join(options.output, 'merged')
          await backend.saveMerged(policy, merged)
          await backend.switchModel(merged)
          policy = { kind: 'base', fingerprint: (await backend.info()).fingerprint }
        }
        const summary = await runEvaluation(
          { backend, events, signal, resume: options.resume ?? false },
          { dir: options.output, config, seed: Number(options.seed), problems, policy },
        )
        print(renderEvaluation(summary), summary)
        if (options.gate !== undefined) enforceGate(summary.metrics, Number(options.gate))
      })
    })
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

export function withInterval(estimate: Estimate | null): string {
  if (estimate === null) return '-'
  const { value, low, high } = estimate
  return low === null || high === null
    ? percent(value)
    : `${percent(value)} [${percent(low)}, ${percent(high)}]`
}
