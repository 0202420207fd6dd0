import type { PpoSample, Score, TrainingScore } from '../../backends/backend.ts'
import type { PpoConfig } from '../../config/ppo.ts'
import { ElenchusError } from '../../errors.ts'
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
  const answers = groups.flat()
  const charged = klPlacement(config) === 'reward' ? klCoef : 0
  const rewards = answers.map(({ answer, old, reference }) =>
    tokenRewards({ reward: answer.reward, logRatios: logRatios(old, reference) }, charged),
  )
  const { lessons, ...facts } =
    config.algorithm === 'ppo'
      ? withCritic(answers, rewards, config)
      : withinGroups(groups, rewards, config.algorithm)
  const withReference = klPlacement(config) === 'loss' && klCoef > 0
  return {
    ...facts,
    uniformGroups: groups.filter(isUniformGroup).length,
    samples: answers.map((answer, index) => sampleOf(answer, lessons[index]!, withReference)),
  }
}

function sampleOf(
  { answer, old, reference }: ScoredAnswer,
  { advantages, critic }: Lesson,
  withReference: boolean,
): PpoSample {
  return {
    trajectory: answer.trajectory,
    oldLogprobs: old.logprobs,
    advantages,
    ...(critic && { critic }),
    ...(withReference && reference !== null && { referenceLogprobs: reference.logprobs }),
  }
}

/** What one answer teaches. */
type Lesson = Pick<PpoSample, 'advantages' | 'critic'>

interface Lessons extends Pick<Experience, 'explainedVariance'> {
  /** In the order of the answers. */
  readonly lessons: readonly Lesson[]
}

function withCritic(
  answers: readonly ScoredAnswer[],
  rewards: readonly Float64Array[],
  config: PpoConfig,
): Lessons {
  const values = answers.map(({ old }) => {
    if (old.values !== undefined) return old.values
    throw new ElenchusError('protocol_violation', 'The backend gave no values of a session with a critic.')
  })
  const scaled = config.whiten_rewards ? whiten(rewards, false) : rewards
  const estimates = scaled.map((row, index) => estimateAdvantages(row, values[index]!, config))
  const raw = estimates.map(({ advantages }) => advantages)
  const advantages = config.whiten_advantages ? whiten(raw, true) : raw
  const returns = estimates.map((estimate) => estimate.returns)
  return {
    lessons: advantages.map((row, index) => ({
      advantages: Float32Array.from(row),
      critic: { returns: Float32Array.from(returns[index]!), oldValues: values[index]! },
    })),
    explainedVariance: explainedVariance(returns, values),
  }
}

function withinGroups(
  groups: readonly (readonly ScoredAnswer[])[],
  rewards: readonly Float64Array[],
  algorithm: 'grpo' | 'rloo',
): Lessons {
  let end = 0
  const advantages = groups.flatMap((group) => {
    const totals = rewards.slice(end, (end += group.length)).map((row) => row.reduce((a, b) => a + b, 0))
    // Without variance in the task's reward the charge for divergence alone would decide who is good.
    return isUniformGroup(group) ? totals.map(() => 0) : groupAdvantages(totals, algorithm)
  })
  const lessons = advantages.map((advantage, index) => ({
    advantages: new Float32Array(rewards[index]!.length).fill(advantage),
  }))
  return { lessons, explainedVariance: null }
}

function isUniformGroup(group: readonly ScoredAnswer[]): boolean {
  return isUniform(group.map(({ answer }) => answer.reward))
}

/** log p(policy) - log p(reference) per token; zeros where there is no reference. */
export function logRatios(old: TrainingScore, reference: Score | null): Float64Array {
  return Float64Array.from(old.logprobs, (logprob, token) =>
    reference === null ? 0 : logprob - reference.logprobs[token]!,
  )
}
