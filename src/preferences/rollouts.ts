import { ElenchusError } from '../errors.ts'
import type { ScoredGroup, ScoredTrajectory } from '../regime-w/group.ts'
import { rewardWithoutLength } from '../regime-w/rescore.ts'
import type { PairType, PreferencePair } from './pair.ts'

export interface RolloutPairOptions {
  /** Two correct trajectories make a pair when their rewards differ by more than this. */
  readonly threshold: number
  readonly maxPairsPerQuestion: number
}

export const DEFAULT_ROLLOUT_PAIRS: RolloutPairOptions = { threshold: 0.01, maxPairsPerQuestion: 16 }

/** Thresholds whose yield every report shows. */
export const YIELD_THRESHOLDS = [0.1, 0.03, 0.01, 0.003] as const

/** Pairs by what they teach. */
export type PairCounts = Readonly<Record<'correctness' | 'coherence' | 'length', number>>

/** What became of a set of rollouts, and why candidates did not become pairs. */
export interface RolloutPairReport {
  readonly questions: number
  readonly questions_with_pairs: number
  readonly trajectories: number
  /** Trajectories of a question whose text another of it already has. */
  readonly identical_trajectories: number
  /** Trajectories without any text. */
  readonly empty_trajectories: number
  /** Questions that have one distinct text or none. */
  readonly questions_all_identical: number
  /** Of the other questions: every answer correct, or none. */
  readonly questions_all_correct: number
  readonly questions_all_wrong: number
  readonly pairs: PairCounts
  /** Candidate pairs that were left out. */
  readonly skipped: {
    readonly below_threshold: number
    /** Preset `trajectory`: the better one of two correct trajectories shows no equations. */
    readonly chosen_without_equations: number
    readonly over_cap: number
  }
  /** Pairs that other thresholds give, with the same cap. */
  readonly yield: readonly (PairCounts & { readonly threshold: number })[]
}

/**
 * Preference pairs from scored rollouts (DESIGN section 6): first each correct trajectory against each
 * wrong one, then pairs of correct ones whose rewards differ by more than the threshold. Such a pair is of
 * type `coherence` if the rewards differ by more than the threshold without their length terms too, with
 * the same side ahead; otherwise it is a `length` pair. Under the cap, correctness comes before coherence
 * before length, and wide margins before narrow ones.
 *
 * A correctness pair may have a negative margin: a long correct answer can earn less than a short wrong one.
 * The result does not depend on the order of the trajectories.
 * @throws ElenchusError `record_invalid` for a group without a prompt: the pair's prompt is the one that
 *   generated it.
 */
export function buildRolloutPairs(
  groups: Iterable<ScoredGroup>,
  options: RolloutPairOptions = DEFAULT_ROLLOUT_PAIRS,
): { pairs: PreferencePair[]; report: RolloutPairReport } {
  const pairs: PreferencePair[] = []
  const count = {
    questions: 0,
    questions_with_pairs: 0,
    trajectories: 0,
    identical_trajectories: 0,
    empty_trajectories: 0,
    questions_all_identical: 0,
    questions_all_correct: 0,
    questions_all_wrong: 0,
  }
  const skipped = { below_threshold: 0, chosen_without_equations: 0, over_cap: 0 }
  const yields = YIELD_THRESHOLDS.map((threshold) => ({ threshold, correctness: 0, coherence: 0, length: 0 }))
  const written = { correctness: 0, coherence: 0, length: 0 }
  for (const group of groups) {
    const withText = group.trajectories.filter(({ full_text }) => full_text.trim() !== '')
    const distinct = [...new Map(withText.map((trajectory) => [trajectory.full_text, trajectory])).values()]
    count.questions++
    count.trajectories += group.trajectories.length
    count.empty_trajectories += group.trajectories.length - withText.length
    count.identical_trajectories += withText.length - distinct.length
    if (distinct.length < 2) count.questions_all_identical++
    else if (distinct.every(({ correct }) => correct)) count.questions_all_correct++
    else if (!distinct.some(({ correct }) => correct)) count.questions_all_wrong++

    const candidates = candidatePairs(distinct, group.preset === 'trajectory')
    skipped.chosen_without_equations += candidates.withoutEquations
    const accepted = accept(candidates, options.threshold)
    skipped.below_threshold += candidates.correct.length + candidates.correctness.length - accepted.length
    const kept = accepted.slice(0, options.maxPairsPerQuestion)
    skipped.over_cap += accepted.length - kept.length
    if (kept.length > 0) count.questions_with_pairs++
    tally(written, kept)
    for (const candidate of kept) pairs.push(toPair(candidate, group, count.questions - 1))
    for (const row of yields)
      tally(row, accept(candidates, row.threshold).slice(0, options.maxPairsPerQuestion))
  }
  return { pairs, report: { ...count, pairs: written, skipped, yield: yields } }
}

type RolloutPairType = PairType & keyof PairCounts

interface Comparison {
  readonly chosen: ScoredTrajectory
  readonly rejected: ScoredTrajectory
  readonly margin: number
  /** Difference in reward without the length terms. */
  readonly marginBeyondLength: number
}

interface Candidate {
  readonly comparison: Comparison
  readonly type: RolloutPairType
}

interface Candidates {
  readonly correctness: readonly Comparison[]
  /**
   * Two correct ones, the higher reward chosen; the threshold decides whether and of which type they are a
   * pair.
   */
  readonly correct: readonly Comparison[]
  readonly withoutEquations: number
}

function candidatePairs(distinct: readonly ScoredTrajectory[], chosenNeedsEquations: boolean): Candidates {
  const correct = distinct.filter((trajectory) => trajectory.correct).sort(byReward)
  const wrong = distinct.filter((trajectory) => !trajectory.correct)
  const ordered = correct.flatMap((chosen, index) =>
    correct.slice(index + 1).map((rejected) => compare(chosen, rejected)),
  )
  const usable = ordered.filter(
    ({ chosen }) => !chosenNeedsEquations || (chosen.components.equations ?? 0) > 0,
  )
  return {
    correctness: correct.flatMap((chosen) => wrong.map((rejected) => compare(chosen, rejected))),
    correct: usable,
    withoutEquations: ordered.length - usable.length,
  }
}

function compare(chosen: ScoredTrajectory, rejected: ScoredTrajectory): Comparison {
  return {
    chosen,
    rejected,
    margin: chosen.reward - rejected.reward,
    marginBeyondLength: rewardWithoutLength(chosen.components) - rewardWithoutLength(rejected.components),
  }
}

/** All pairs at a threshold, in the order in which the cap takes them. */
function accept(candidates: Candidates, threshold: number): Candidate[] {
  // Ten tokens are 0.01 of reward, up to the last bits; a margin of exactly the threshold is not above it.
  const above = (margin: number) => margin > threshold + 1e-9
  const pairs = candidates.correct.filter(({ margin }) => above(margin)).sort(byMargin)
  return [
    ...candidates.correctness.toSorted(byMargin).map(typed('correctness')),
    ...pairs.filter(({ marginBeyondLength }) => above(marginBeyondLength)).map(typed('coherence')),
    ...pairs.filter(({ marginBeyondLength }) => !above(marginBeyondLength)).map(typed('length')),
  ]
}

function typed(type: RolloutPairType): (comparison: Comparison) => Candidate {
  return (comparison) => ({ comparison, type })
}

function tally(counts: Record<keyof PairCounts, number>, pairs: readonly Candidate[]): void {
  for (const { type } of pairs) counts[type]++
}

function byReward(a: ScoredTrajectory, b: ScoredTrajectory): number {
  return b.reward - a.reward || compareText(a.full_text, b.full_text)
}

function byMargin(a: Comparison, b: Comparison): number {
  return (
    b.margin - a.margin ||
    compareText(a.chosen.full_text, b.chosen.full_text) ||
    compareText(a.rejected.full_text, b.rejected.full_text)
  )
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function toPair({ comparison, type }: Candidate, group: ScoredGroup, index: number): PreferencePair {
  const { chosen, rejected, margin } = comparison
  const { prompt, question_id: id = `question-${index}` } = group
  if (prompt === undefined) {
    throw new ElenchusError('record_invalid', `The rollouts of ${id} carry no prompt.`, {
      hint: 'Add the prompt that generated them to each record.',
    })
  }
  const ids =
    chosen.completion_ids !== undefined && rejected.completion_ids !== undefined
      ? { chosen_ids: chosen.completion_ids, rejected_ids: rejected.completion_ids }
      : { retokenised: true }
  return {
    question_id: id,
    prompt,
    chosen: chosen.full_text,
    rejected: rejected.full_text,
    ...ids,
    chosen_score: chosen.reward,
    rejected_score: rejected.reward,
    margin,
    pair_type: type,
    ...(group.prompt_tokens === undefined ? {} : { prompt_tokens: group.prompt_tokens }),
    ...(group.policy === undefined ? {} : { policy: group.policy }),
  }
}
