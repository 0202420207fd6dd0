import type { PpoSample, Score, TrainingScore } from '../../backends/backend.ts'
import type { PpoConfig } from '../../config/ppo.ts'
import {
  estimateAdvantages,
  explainedVariance,
  groupAdvantages,
  isUniform,
  tokenRewards,
  whiten,
} from './advantages.ts'
import type { SampledAnswer } from './sample.ts'

/** An answer and what was said of its tokens before the first update of the iteration. */
export interface ScoredAnswer {
  readonly answer: SampledAnswer
  readonly old: TrainingScore
  /** Under the frozen start; null where nobody can tell. */
  readonly reference: Score | null
}

export interface Experience {
  readonly samples: readonly PpoSample[]
  /** Questions whose answers were all rewarded alike: with group advantages they teach nothing. */
  readonly uniformGroups: number
  /** Of the critic, before it learned from this; null without one, or where returns do not vary. */
  readonly explainedVariance: number | null
}

/** Where the KL divergence from the start is charged. */
export function klPlacement(config: PpoConfig): 'reward' | 'loss' {
  return config.kl_placement ?? (config.algorithm === 'grpo' ? 'loss' : 'reward')
}

/** Training samples of one iteration, from its groups; `klCoef` as it stands now. */
export function experienceOf(
  groups: readonly (readonly ScoredAnswer[])[],
  config: PpoConfig,
  klCoef: number,
): Experience {
  const charged = klPlacement(config) === 'reward' ? klCoef : 0
  const answers = groups.flat()
  const rewards = answers.map(({ answer, old, reference }) =>
    tokenRewards({ reward: answer.reward, logRatios: logRatios(old, reference) }, charged),
  )
  const uniform = groups.map((group) => isUniform(group.map(({ answer }) => answer.reward)))
  const uniformGroups = uniform.filter(Boolean).length
  const withReference = klPlacement(config) === 'loss' && klCoef > 0
  const base = answers.map(({ answer, old, reference }) => ({
    trajectory: answer.trajectory,
    oldLogprobs: old.logprobs,
    ...(withReference && reference !== null && { referenceLogprobs: reference.logprobs }),
  }))
  if (config.algorithm !== 'ppo') {
    const { algorithm } = config
    let first = 0
    const perAnswer = groups.flatMap((group, index) => {
      const totals = rewards
        .slice(first, (first += group.length))
        .map((row) => row.reduce((a, b) => a + b, 0))
      // Without variance in the task's reward the KL charge alone would decide who is good.
      return uniform[index] ? totals.map(() => 0) : groupAdvantages(totals, algorithm)
    })
    const samples = base.map((sample, index) => ({
      ...sample,
      advantages: new Float32Array(sample.oldLogprobs.length).fill(perAnswer[index]!),
    }))
    return { samples, uniformGroups, explainedVariance: null }
  }
  const values = answers.map(({ old }) => old.values ?? new Float32Array(old.logprobs.length))
  const scaled = config.whiten_rewards ? whiten(rewards, false) : rewards
  const estimates = scaled.map((row, index) => estimateAdvantages(row, values[index]!, config))
  const raw = estimates.map(({ advantages }) => advantages)
  const advantages = config.whiten_advantages ? whiten(raw, true) : raw
  const samples = base.map((sample, index) => ({
    ...sample,
    advantages: Float32Array.from(advantages[index]!),
    critic: { returns: Float32Array.from(estimates[index]!.returns), oldValues: values[index]! },
  }))
  const returns = estimates.map((estimate) => estimate.returns)
  return { samples, uniformGroups, explainedVariance: explainedVariance(returns, values) }
}

/** log p(policy) - log p(reference) per token; zeros where there is no reference. */
export function logRatios(old: TrainingScore, reference: Score | null): Float64Array {
  return Float64Array.from(old.logprobs, (logprob, token) =>
    reference === null ? 0 : logprob - reference.logprobs[token]!,
  )
}
