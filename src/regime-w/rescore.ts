import { closenessToMedoid, tokenSequences } from './closeness.ts'
import { type Counterfactual, type CounterfactualScorer, scoreCounterfactual } from './counterfactual.ts'
import type { Components, Preset, RewardSettings, RolloutGroup, ScoredGroup, Trajectory } from './group.ts'
import {
  commonestAnswer,
  countWords,
  lengthAgreement,
  mean,
  meanDefined,
  normaliseAnswer,
  pairAgreement,
  variance,
  weightedMean,
} from './scores.ts'
import type { GroupScores } from './scores.ts'

/** The guide's constants. */
export const DEFAULT_SETTINGS: RewardSettings = {
  beta_coherence: 0.5,
  beta_agreement: 0.2,
  alpha_length: 0.1,
}

const GUIDE_WEIGHTS = { s_end: 0.5, s_path: 0.3, s_cf: 0.2 }
const LOOPER8_WEIGHTS = { s_end: 0.4, s_path: 0.3, s_cf: 0.3 }
/** Weights of the terms by which `trajectory` tells two correct answers of a question apart. */
const SHAPE = { scale: 0.3, consistency: 0.4, dependence: 0.4, closeness: 0.2 }

/**
 * Scores a rollout group with a preset (DESIGN section 5). Scores that the record carries are replaced, other
 * fields kept; the result depends on neither the order of the trajectories nor on earlier scores.
 * @param settings of `guide` and `trajectory`; `looper8` has its own constants.
 * @param counterfactual may remember what it was asked before.
 */
export function rescore(
  group: RolloutGroup,
  preset: Preset,
  settings: RewardSettings = DEFAULT_SETTINGS,
  counterfactual: CounterfactualScorer = scoreCounterfactual,
): ScoredGroup {
  return preset === 'looper8' ? scoreLooper8(group) : scoreGuide(group, preset, settings, counterfactual)
}

/** `guide`; `trajectory` adds a term of its own per trajectory. */
function scoreGuide(
  group: RolloutGroup,
  preset: 'guide' | 'trajectory',
  settings: RewardSettings,
  counterfactual: CounterfactualScorer,
): ScoredGroup {
  const { trajectories } = group
  const answers = trajectories.map((trajectory) => normaliseAnswer(trajectory.answer))
  const commonest = commonestAnswer(answers)
  const counterfactuals = trajectories.map((trajectory, index) =>
    counterfactual(group.question, trajectory.full_text, answers[index] ?? null),
  )
  const scores = {
    s_end: commonest === null ? 0 : commonest.count / trajectories.length,
    s_path: lengthAgreement(trajectories.map((trajectory) => trajectory.num_tokens)),
    s_cf: meanDefined(counterfactuals.map(({ score }) => score)),
  }
  const { s_wm, weights } = weightedMean(scores, GUIDE_WEIGHTS)
  const closeness = preset === 'trajectory' ? closenessToMedoid(tokenSequences(trajectories)) : []
  const components = trajectories.map((trajectory, index): Components => {
    const found = counterfactuals[index]
    const agrees = commonest?.unique === true && answers[index] === commonest.answer
    const close = closeness[index] ?? null
    return {
      correctness: trajectory.correct ? 1 : 0,
      coherence: settings.beta_coherence * s_wm,
      agreement: agrees ? settings.beta_agreement : 0,
      length: -(settings.alpha_length * trajectory.num_tokens) / 100,
      shape: found === undefined || close === null ? 0 : shapeTerm(found, close),
      equations: found?.equations ?? null,
      consistency: found?.consistency ?? null,
      dependence: found?.dependence ?? null,
      counterfactual: found?.score ?? null,
      closeness: close,
    }
  })
  return assemble(group, preset, settings, { ...scores, s_wm, weights }, components)
}

/** 0 without equations, also for closeness: an answer that shows no work is not made coherent by company. */
function shapeTerm({ equations, consistency, dependence }: Counterfactual, closeness: number): number {
  if (equations === 0) return 0
  const sum =
    SHAPE.consistency * (consistency ?? 0) +
    SHAPE.dependence * (dependence ?? 0) +
    SHAPE.closeness * closeness
  return SHAPE.scale * sum
}

/** The formulas of the older system, exactly: words for tokens, pairs for agreement, a constant for s_cf. */
function scoreLooper8(group: RolloutGroup): ScoredGroup {
  const { trajectories } = group
  const words = trajectories.map((trajectory) => countWords(trajectory.full_text))
  const scores = {
    s_end: pairAgreement(trajectories.map((trajectory) => normaliseAnswer(trajectory.answer))),
    s_path: 1 / (1 + variance(words) / (mean(words) + 1e-6)),
    s_cf: 0.5,
  }
  const { s_wm, weights } = weightedMean(scores, LOOPER8_WEIGHTS)
  const components = trajectories.map((trajectory, index): Components => ({
    correctness: trajectory.correct ? 1 : 0,
    coherence: 0.5 * s_wm,
    agreement: trajectory.correct && scores.s_end > 0.9 ? 0.2 : 0,
    length: -0.001 * Math.max(0, (words[index] ?? 0) - 512),
    shape: 0,
    equations: null,
    consistency: null,
    dependence: null,
    counterfactual: null,
    closeness: null,
  }))
  return assemble(group, 'looper8', null, { ...scores, s_wm, weights }, components)
}

function assemble(
  group: RolloutGroup,
  preset: Preset,
  settings: RewardSettings | null,
  scores: GroupScores & Pick<ScoredGroup, 's_wm' | 'weights'>,
  components: readonly Components[],
): ScoredGroup {
  return {
    ...group,
    preset,
    ...scores,
    settings,
    degenerate: group.trajectories.length === 1,
    trajectories: group.trajectories.map((trajectory, index) =>
      scoredTrajectory(trajectory, components[index]!),
    ),
  }
}

function scoredTrajectory(
  trajectory: Trajectory,
  components: Components,
): ScoredGroup['trajectories'][number] {
  return { ...trajectory, reward: rewardWithoutLength(components) + components.length, components }
}

/** What a reward says about anything but length. */
export function rewardWithoutLength({ correctness, coherence, agreement, shape }: Components): number {
  return correctness + coherence + agreement + shape
}
