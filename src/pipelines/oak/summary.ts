import { join } from 'node:path'
import type { PolicyRef } from '../../backends/backend.ts'
import type { OakConfig } from '../../config/oak.ts'
import { compare, type Comparison, type Outcome } from '../../evaluation/metrics-compare.ts'
import { evaluatedTraceSchema } from '../../evaluation/metrics-record.ts'
import { EVALUATION_FILE, type EvaluationSummary } from '../../evaluation/stage.ts'
import type { Problem } from '../../problems/problem.ts'
import { readJsonl } from '../../runs/jsonl.ts'

/** One row of the table: a policy, how it came about, and what it does on the held-out problems. */
export interface OakRow {
  /** 0 is the SFT model; null for a control. */
  readonly iteration: number | null
  readonly name: string
  /** Fingerprint of the evaluated weights. */
  readonly policy: string
  readonly accuracy: number
  readonly step_validity: number | null
  /** Share of the problems labelled TRUE or FALSE whose trace is valid by proof. */
  readonly trace_validity: number | null
  /** Traces sampled and pairs built for the training that led here. */
  readonly traces: number
  readonly pairs: number
  readonly evaluation: EvaluationSummary
}

export interface OakSummary {
  readonly pipeline: 'oak'
  /** Held-out problems. */
  readonly held_out: number
  readonly seed: number
  /** Of this attempt; a resumed run does not count what earlier attempts took. */
  readonly wall_seconds: number
  readonly iterations: readonly OakRow[]
  readonly controls: readonly OakRow[]
  /** First against last iteration, paired by problem: traces valid by proof, and right answers. */
  readonly first_to_last: { readonly trace_validity: Comparison; readonly accuracy: Comparison }
  /** What needs no model: the commonest label, and the solver alone. */
  readonly baselines: { readonly majority_label: number; readonly solver: number }
  /** First and last iteration on further evaluation sets, by name. */
  readonly also: Readonly<Record<string, readonly OakRow[]>>
}

export function rowOf(
  row: {
    readonly iteration: number | null
    readonly name: string
    readonly weights: { readonly policy: PolicyRef }
    readonly traces?: number
    readonly pairs?: number
  },
  evaluation: EvaluationSummary,
): OakRow {
  const { metrics } = evaluation
  return {
    iteration: row.iteration,
    name: row.name,
    policy: row.weights.policy.fingerprint,
    accuracy: metrics.accuracy.value,
    step_validity: metrics.step_validity?.value ?? null,
    trace_validity: metrics.trace_validity?.value ?? null,
    traces: row.traces ?? 0,
    pairs: row.pairs ?? 0,
    evaluation,
  }
}

export async function oakSummary(input: {
  readonly config: OakConfig
  readonly heldOut: readonly Problem[]
  readonly rows: readonly [OakRow, ...OakRow[]]
  readonly controls: readonly OakRow[]
  readonly also: Readonly<Record<string, readonly OakRow[]>>
  readonly wallSeconds: number
}): Promise<OakSummary> {
  const { config, rows } = input
  const first = await outcomes(config, 'iter0')
  const last = await outcomes(config, `iter${config.iterations}`)
  const { metrics, solver } = rows[0].evaluation
  return {
    pipeline: 'oak',
    held_out: input.heldOut.length,
    seed: config.seed,
    wall_seconds: input.wallSeconds,
    iterations: rows,
    controls: input.controls,
    first_to_last: {
      trace_validity: compare(first.valid, last.valid),
      accuracy: compare(first.correct, last.correct),
    },
    baselines: { majority_label: metrics.majority_label.accuracy.value, solver: solver.accuracy.value },
    also: input.also,
  }
}

/** What became of each problem in one evaluation (first sample). */
async function outcomes(
  config: OakConfig,
  folder: string,
): Promise<{ valid: readonly Outcome[]; correct: readonly Outcome[] }> {
  const valid: Outcome[] = []
  const correct: Outcome[] = []
  const path = join(config.output, 'evaluation', folder, EVALUATION_FILE)
  for await (const trace of readJsonl(path, evaluatedTraceSchema)) {
    if (trace.sample_idx > 0) continue
    correct.push({ id: trace.problem_id, success: trace.correct })
    // UNKNOWN is certified, not proved: those problems are not in the headline.
    if (trace.label === 'UNKNOWN') continue
    valid.push({ id: trace.problem_id, success: trace.trace_valid && trace.warrant === 'proof' })
  }
  return { valid, correct }
}
