import type { PpoLoss, PpoSample, StepResult, TrainingSession } from '../../backends/backend.ts'
import type { PpoConfig } from '../../config/ppo.ts'
import { ElenchusError } from '../../errors.ts'
import { deriveSeed, Rng } from '../../random.ts'
import { pick } from '../settings.ts'
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
}

export interface UpdateOutcome {
  readonly step: number
  readonly results: readonly StepResult[]
  /** The mean per-token KL from the old policy passed `target_kl`: the rest of the iteration was left out. */
  readonly stoppedEarly: boolean
}

/** Passes over the samples in mini-batches, each an optimiser step, until `target_kl` is passed. */
export async function updatePolicy(update: Update): Promise<UpdateOutcome> {
  const { session, config, samples, iteration } = update
  const loss = lossOf(update)
  const results: StepResult[] = []
  let { step } = update
  for (let epoch = 0; epoch < config.num_epochs; epoch++) {
    const order = new Rng(deriveSeed(update.seed, 'update', iteration, epoch)).shuffle([...samples.keys()])
    for (let start = 0; start < order.length; start += config.mini_batch_size) {
      const batch = pick(samples, order.slice(start, start + config.mini_batch_size))
      const result = await session.step({
        step: ++step,
        learningRate: config.learning_rate,
        batch: { kind: 'ppo', samples: batch, loss, maxLength: update.maxLength },
      })
      if (results.length === 0) guardFirstRatio(result, update)
      results.push(result)
      if (result.metrics['applied'] === 0) return { step, results, stoppedEarly: true }
    }
  }
  return { step, results, stoppedEarly: false }
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
