import { join } from 'node:path'
import type { StepResult, TrainBatch, TrainingSession } from '../backends/backend.ts'
import type { OptimisationConfig } from '../config/training.ts'
import { ElenchusError } from '../errors.ts'
import type { EventSink } from '../runs/events.ts'
import { MetricsWriter } from '../runs/metrics.ts'
import { newestCheckpoint, saveCheckpoint } from './checkpoints.ts'
import { learningRateAt } from './schedule.ts'

export interface TrainingLoop {
  readonly stage: string
  /** Directory of the stage: `checkpoint-<step>/` and `metrics.jsonl` go there. */
  readonly dir: string
  readonly session: TrainingSession
  readonly config: Pick<
    OptimisationConfig,
    'learning_rate' | 'warmup_ratio' | 'schedule' | 'save_every' | 'keep_checkpoints'
  >
  /** Number of the last optimiser step. */
  readonly total: number
  readonly batchAt: (step: number) => TrainBatch
  /** Sees the first result of a run that starts at step 1; throws to stop a run that starts wrong. */
  readonly guardFirstStep?: (result: StepResult) => void
  readonly events: EventSink
  readonly signal?: AbortSignal | undefined
}

export interface TrainingOutcome {
  readonly steps: number
  readonly first_loss: number | null
  readonly last_loss: number | null
  readonly tokens: number
  /** Examples that lost their end to `max_length`. */
  readonly truncated: number
  /** Seconds inside optimiser steps, this attempt. */
  readonly step_seconds: number
}

/**
 * The one training loop: TypeScript chooses batch and learning rate, the session steps, checkpoints are
 * written every `save_every` steps and rotated. A checkpoint's cursor is the number of its step; every
 * batch is a function of the step, so a resumed run sees the same data.
 */
export async function runTrainingLoop(loop: TrainingLoop): Promise<TrainingOutcome> {
  const { session, config, total } = loop
  const start = await restore(loop)
  await using metrics = await MetricsWriter.open(join(loop.dir, 'metrics.jsonl'), { afterStep: start })
  let last: StepResult | undefined
  let first: StepResult | undefined
  let tokens = 0
  let truncated = 0
  let seconds = 0
  for (let step = start + 1; step <= total; step++) {
    loop.signal?.throwIfAborted()
    const learningRate = learningRateAt(step, total, config)
    const began = performance.now()
    last = await session.step({ step, learningRate, batch: loop.batchAt(step) })
    seconds += (performance.now() - began) / 1000
    if (step === 1) {
      first = last
      loop.guardFirstStep?.(last)
    }
    tokens += last.tokens
    truncated += last.truncated
    await metrics.write({
      stage: loop.stage,
      step,
      loss: last.loss,
      learning_rate: learningRate,
      grad_norm: last.gradNorm,
      tokens: last.tokens,
      ...last.metrics,
    })
    loop.events({
      type: 'progress',
      stage: loop.stage,
      done: step,
      total,
      unit: 'steps',
      metric: { name: 'loss', value: last.loss },
    })
    if (config.save_every > 0 && step % config.save_every === 0 && step < total) {
      // First the rows, then the checkpoint that stands behind them: none of them can be lost.
      await metrics.flush()
      await saveCheckpoint(session, loop.dir, step, { step }, config.keep_checkpoints)
    }
  }
  return {
    steps: total,
    first_loss: first?.loss ?? null,
    last_loss: last?.loss ?? null,
    tokens,
    truncated,
    step_seconds: seconds,
  }
}

/** Loads the newest checkpoint, if there is one. Returns the number of steps that are done. */
async function restore(loop: TrainingLoop): Promise<number> {
  const newest = await newestCheckpoint(loop.dir)
  if (newest === null) return 0
  const { step } = await loop.session.loadCheckpoint(newest.path)
  if (step !== newest.number) {
    throw new ElenchusError('checkpoint_corrupt', `${newest.path} says that it was written at step ${step}.`)
  }
  return step
}
