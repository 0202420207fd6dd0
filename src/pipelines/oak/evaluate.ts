import { join } from 'node:path'
import type { OakConfig } from '../../config/oak.ts'
import { runEvaluation, type EvaluationSummary } from '../../evaluation/stage.ts'
import type { Problem } from '../../problems/problem.ts'
import { deriveSeed } from '../../random.ts'
import type { PipelineContext, Weights } from '../weights.ts'
import type { OakData } from './data.ts'
import { rowOf, type OakRow } from './summary.ts'

/** Everything the stages of one run share. */
export interface OakRun {
  readonly context: PipelineContext
  readonly config: OakConfig
  readonly data: OakData
  /** The base without any adapter. */
  readonly base: Weights
}

/** Evaluates one policy on the held-out problems: greedy, with the same seed and settings for every policy. */
export async function evaluateRow(
  run: OakRun,
  row: {
    readonly iteration: number | null
    readonly name: string
    readonly weights: Weights
    readonly traces?: number
    readonly pairs?: number
  },
): Promise<OakRow> {
  const folder = row.iteration === null ? controlFolder(row.name) : iterationFolder(row.iteration)
  const evaluation = await evaluateOn(run, folder, run.data.heldOut, row.weights)
  return rowOf(row, evaluation)
}

export function iterationFolder(iteration: number): string {
  return `iter${iteration}`
}

export function controlFolder(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
}

export async function evaluateOn(
  run: OakRun,
  folder: string,
  problems: readonly Problem[],
  weights: Weights,
): Promise<EvaluationSummary> {
  const { context, config } = run
  await context.backend.switchModel(weights.model)
  return runEvaluation(context, {
    dir: join(config.output, 'evaluation', folder),
    stage: `evaluate/${folder}`,
    config: config.evaluation,
    seed: deriveSeed(config.seed, 'evaluation'),
    problems,
    policy: weights.policy,
  })
}
