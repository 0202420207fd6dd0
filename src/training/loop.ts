import { join } from 'node:path'
import * as z from 'zod'
import type { StepResult, TrainBatch, TrainingSession } from '../backends/backend.ts'
import type { OptimisationConfig } from '../config/training.ts'
import type { EventSink } from '../runs/events.ts'
import { MetricsWriter } from '../runs/metrics.ts'
import { restoreNewest, saveCheckpoint } from './checkpoints.ts'
import { learningRateAt } from './schedule.ts'
import { takeSteps } from './steps.ts'

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

/** What the steps so far amount to; a checkpoint's cursor, so that a resumed run counts what came before. */
const totalsSchema = z.object({
  first_loss: z.number().nullable(),
  last_loss: z.number().nullable(),
  tokens: z.number().int().nonnegative(),
  /** Examples that lost their end to `max_length`. */
  truncated: z.number().int().nonnegative(),
  /** Seconds inside the optimiser steps that count: those done again after an interruption count once. */
  step_seconds: z.number().nonnegative(),
})
type Totals = z.infer<typeof totalsSchema>

const NOTHING: Totals = { first_loss: null, last_loss: null, tokens: 0, truncated: 0, step_seconds: 0 }

export interface TrainingOutcome extends Readonly<Totals> {
  readonly steps: number
}

/**
 * The one training loop: TypeScript chooses batch and learning rate, the session steps, checkpoints are
 * written every `save_every` steps and rotated. A checkpoint's cursor holds the totals so far; every
 * batch is a function of the step, so a resumed run sees the same data.
 */
export async function runTrainingLoop(loop: TrainingLoop): Promise<TrainingOutcome> {
  const { session, config, total } = loop
  const { start, before } = await restore(loop)
  let totals = before
  await using metrics = await MetricsWriter.open(join(loop.dir, 'metrics.jsonl'), { afterStep: start })
  const saves = (step: number): boolean =>
    config.save_every > 0 && step % config.save_every === 0 && step < total
  const steps = takeSteps({
    session,
    first: start + 1,
    last: total,
    inputOf: (step) => ({
      step,
      learningRate: learningRateAt(step, total, config),
      batch: loop.batchAt(step),
    }),
    decides: (step) => step === 1 || saves(step),
    signal: loop.signal,
  })
  for await (const { step, result: last, seconds } of steps) {
    totals = addStep(totals, last, seconds)
    if (step === 1) loop.guardFirstStep?.(last)
    await metrics.write({
      stage: loop.stage,
      step,
      loss: last.loss,
      learning_rate: learningRateAt(step, total, config),
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
    if (saves(step)) {
      // First the rows, then the checkpoint that stands behind them: none of them can be lost.
      await metrics.flush()
      await saveCheckpoint(session, loop.dir, step, totals, config.keep_checkpoints)
    }
  }
  return { steps: total, ...totals }
}

function addStep(totals: Totals, step: StepResult, seconds: number): Totals {
  return {
    first_loss: totals.first_loss ?? step.loss,
    last_loss: step.loss,
    tokens: totals.tokens + step.tokens,
    truncated: totals.truncated + step.truncated,
    step_seconds: totals.step_seconds + seconds,
  }
}

/** Loads the newest checkpoint, if there is one. */
async function restore(loop: TrainingLoop): Promise<{ readonly start: number; readonly before: Totals }> {
  const found = await restoreNewest(loop, (number, { step, cursor }) => {
    const totals = totalsSchema.safeParse(cursor)
    return step === number && totals.success ? { start: step, before: totals.data } : undefined
  })
  return found ?? { start: 0, before: NOTHING }
}
