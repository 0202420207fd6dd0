import type { AbelConfig } from '../../config/abel.ts'
import { coherenceFile, runQuestionEvaluation } from '../../evaluation/questions-stage.ts'
import { deriveSeed } from '../../random.ts'
import { stageDirectoryOf } from '../../runs/beside.ts'
import type { PipelineContext, Weights } from '../weights.ts'
import type { AbelData } from './data.ts'
import { abelLayout } from './layout.ts'
import type { AbelRow } from './summary.ts'

/** Everything the stages of one run share. */
export interface AbelRun {
  readonly context: PipelineContext
  readonly config: AbelConfig
  readonly data: AbelData
}

/** Evaluates one policy on the held-out questions: with the same prompt, seed and settings for every policy. */
export async function evaluateRow(run: AbelRun, name: string, weights: Weights): Promise<AbelRow> {
  const { context, config, data } = run
  const path = abelLayout(config.output).evaluation(name)
  const dir = stageDirectoryOf(path)
  await context.backend.switchModel(weights.model)
  const evaluation = await runQuestionEvaluation(context, {
    dir,
    path,
    stage: `evaluate/${name}`,
    config: config.evaluation,
    seed: deriveSeed(config.seed, 'evaluation'),
    questions: data.heldOut,
    policy: weights.policy,
  })
  return {
    name,
    policy: weights.policy.fingerprint,
    accuracy: evaluation.metrics.accuracy.value,
    evaluation,
    rows: path,
    coherence_rollouts: evaluation.coherence === null ? null : coherenceFile(dir),
  }
}
