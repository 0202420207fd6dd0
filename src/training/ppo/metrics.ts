import type { PpoConfig } from '../../config/ppo.ts'
import type { MetricsRow } from '../../runs/metrics.ts'
import { type Experience, logRatios, type ScoredAnswer } from './experience.ts'
import type { UpdateOutcome } from './update.ts'

/** Of one iteration: one row of `metrics.jsonl`. Means over answers, or over tokens where the name says so. */
export interface IterationMetrics extends MetricsRow {
  readonly reward: number
  readonly accuracy: number
  /** KL divergence from the start per answer, in nats; null where there is no reference. */
  readonly kl: number | null
}

export interface Iteration {
  readonly iteration: number
  /** Questions asked so far, this iteration included. */
  readonly questions: number
  readonly answers: readonly ScoredAnswer[]
  readonly experience: Experience
  readonly update: UpdateOutcome
  readonly klCoef: number
  readonly config: PpoConfig
  readonly seconds: number
}

export function iterationMetrics(done: Iteration): IterationMetrics {
  const { answers, experience, update } = done
  const tokens = answers.reduce((sum, { old }) => sum + old.logprobs.length, 0)
  const share = (test: (each: ScoredAnswer) => boolean): number =>
    answers.filter(test).length / answers.length
  const mean = (of: (each: ScoredAnswer) => number): number => total(answers.map(of)) / answers.length
  return {
    step: done.iteration,
    questions: done.questions,
    answers: answers.length,
    reward: mean(({ answer }) => answer.reward),
    accuracy: share(({ answer }) => answer.correct),
    unanswered: share(({ answer }) => !answer.answered),
    without_eos: share(({ answer }) => !answer.ended),
    response_tokens: tokens / answers.length,
    entropy_per_token: total(answers.map(({ old }) => total(old.entropies))) / tokens,
    kl: meanKl(answers),
    kl_coef: done.klCoef,
    groups_without_variance: experience.uniformGroups,
    explained_variance: experience.explainedVariance,
    engine_gap_per_token: engineGap(answers),
    optimizer_step: update.step,
    updates: update.results.filter(({ metrics }) => metrics['applied'] === 1).length,
    stopped_early: update.stoppedEarly,
    learning_rate: done.config.learning_rate,
    grad_norm: total(update.results.map(({ gradNorm }) => gradNorm)) / update.results.length,
    loss: total(update.results.map(({ loss }) => loss)) / update.results.length,
    ...meansOfSteps(update),
    seconds: done.seconds,
  }
}

/** KL(policy || start) per answer, as the mean log-ratio of what the policy sampled; null without a reference. */
export function meanKl(answers: readonly ScoredAnswer[]): number | null {
  if (answers.some(({ reference }) => reference === null)) return null
  return total(answers.map(({ old, reference }) => total(logRatios(old, reference)))) / answers.length
}

/** Mean absolute difference per token between the engine's log-probabilities and the training kernel's. */
function engineGap(answers: readonly ScoredAnswer[]): number | null {
  let [sum, tokens] = [0, 0]
  for (const { answer, old } of answers) {
    if (answer.engineLogprobs === undefined) return null
    for (const [token, logprob] of answer.engineLogprobs.entries()) {
      sum += Math.abs(logprob - old.logprobs[token]!)
    }
    tokens += old.logprobs.length
  }
  return sum / tokens
}

const PER_STEP = [
  'policy_loss',
  'value_loss',
  'clip_fraction',
  'value_clip_fraction',
  'reference_kl',
] as const

function meansOfSteps({ results }: UpdateOutcome): Record<string, number> {
  const all = (name: string): number[] => results.flatMap(({ metrics }) => metrics[name] ?? [])
  const means = PER_STEP.flatMap((name) => {
    const values = all(name)
    return values.length === 0 ? [] : [[name, total(values) / values.length] as const]
  })
  return {
    ...Object.fromEntries(means),
    approx_kl_max: Math.max(...all('approx_kl')),
    mean_abs_log_ratio_max: Math.max(...all('mean_abs_log_ratio')),
    ratio_max: Math.max(...all('ratio_max')),
  }
}

function total(values: Iterable<number>): number {
  let sum = 0
  for (const value of values) sum += value
  return sum
}
