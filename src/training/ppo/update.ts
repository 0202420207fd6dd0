import type { PpoLoss, PpoSample, StepResult, TrainingSession } from '../../backends/backend.ts'
import type { PpoConfig } from '../../config/ppo.ts'
import { ElenchusError } from '../../errors.ts'
import { deriveSeed, Rng } from '../../random.ts'
import { indicesByKey } from '../batches.ts'
import { pick } from '../settings.ts'
import { takeSteps } from '../steps.ts'
import { klPlacement } from './experience.ts'

export interface Update {
  readonly session: TrainingSession
  readonly config: PpoConfig
  readonly samples: readonly PpoSample[]
  /** 1, 2, ... */
  readonly iteration: number
  /** Optimiser steps before this iteration. */
  readonly step: number
  readonly klCoef: number
  readonly maxLength: number
  /** Of the weights; decides how exactly the first ratio must be 1. */
  readonly dtype: string | undefined
  readonly seed: number
  readonly signal?: AbortSignal | undefined
}

export interface UpdateOutcome {
  readonly step: number
  readonly results: readonly StepResult[]
  /** The mean per-token KL from the old policy passed `target_kl`: the rest of the iteration was left out. */
  readonly stoppedEarly: boolean
}

/** Passes over the samples in mini-batches, each an optimiser step, until `target_kl` is passed. */
export async function updatePolicy(update: Update): Promise<UpdateOutcome> {
  const { config, samples } = update
  const first = update.step + 1
  const perEpoch = Math.ceil(samples.length / config.mini_batch_size)
  const miniBatchAt = miniBatches(update)
  const loss = lossOf(update)
  const steps = takeSteps({
    session: update.session,
    first,
    last: update.step + config.num_epochs * perEpoch,
    inputOf: (step) => ({
      step,
      learningRate: config.learning_rate,
      batch: { kind: 'ppo', samples: miniBatchAt(step - first), loss, maxLength: update.maxLength },
    }),
    // The first shows whether the ratios are right, and each may be one too many.
    decides: (step) => step === first || config.target_kl !== null,
    signal: update.signal,
  })
  const results: StepResult[] = []
  for await (const { step, result } of steps) {
    if (step === first) guardFirstRatio(result, update)
    results.push(result)
    if (result.metrics['applied'] === 0) return { step, results, stoppedEarly: true }
  }
  return { step: update.step + results.length, results, stoppedEarly: false }
}

/**
 * The mini-batches of all epochs, counted from 0. Questions are shuffled and their answers stay together, so that a prompt is
 * read once for them; a question is torn only where a mini-batch is full.
 */
function miniBatches({ config, samples, iteration, seed }: Update): (index: number) => readonly PpoSample[] {
  const size = config.mini_batch_size
  const perEpoch = Math.ceil(samples.length / size)
  const questions = indicesByKey(samples.map(({ trajectory }) => trajectory.prompt))
  const orders = Array.from({ length: config.num_epochs }, (_, epoch) =>
    new Rng(deriveSeed(seed, 'update', iteration, epoch)).shuffle([...questions]).flat(),
  )
  return (index) => {
    const start = (index % perEpoch) * size
    return pick(samples, orders[Math.floor(index / perEpoch)]!.slice(start, start + size))
  }
}

function lossOf({ config, iteration, klCoef }: Update): PpoLoss {
  return {
    temperature: config.temperature,
    clipLow: config.clip_range,
    clipHigh: config.clip_range_high ?? config.clip_range,
    ...(config.value_clip !== null && { valueClip: config.value_clip }),
    valueCoef: config.value_coef,
    valueLearningRate: config.value_learning_rate,
    entropyCoef: config.entropy_coef,
    klCoef: klPlacement(config) === 'loss' ? klCoef : 0,
    valueOnly: config.algorithm === 'ppo' && iteration <= config.value_warmup,
    ...(config.target_kl !== null && { maxKl: config.target_kl }),
  }
}

const FLOAT32_RATIO = 1e-4
const HALF_LOG_RATIO = 0.02

/** Before the first update the policy is the one that sampled, so every ratio must be 1. */
function guardFirstRatio({ metrics }: StepResult, { iteration, dtype }: Update): void {
  const exact = dtype === 'float32'
  const found = exact ? metrics['ratio_deviation'] : metrics['mean_abs_log_ratio']
  const limit = exact ? FLOAT32_RATIO : HALF_LOG_RATIO
  if (found !== undefined && found <= limit) return
  throw new ElenchusError(
    'guard_failed',
    `Iteration ${iteration}: before the first update ${exact ? 'the largest |ratio - 1|' : 'the mean |log ratio|'} is ${found ?? 'missing'}, at most ${limit} is rounding. The old log-probabilities are not those of the policy that is trained.`,
  )
}
