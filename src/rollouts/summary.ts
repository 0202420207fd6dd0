import type { Preset, ScoredGroup, ScoredTrajectory } from '../regime-w/group.ts'
import { meanDefined } from '../regime-w/scores.ts'
import type { Arm } from './arms.ts'
import type { ToldApart } from './told-apart.ts'

/** What one arm, or all of them, came to. */
export interface AnswerTotals {
  readonly answers: number
  readonly correct: number
  /** Without a marked answer. */
  readonly unanswered: number
  /** Cut off at the token limit. */
  readonly truncated: number
  /** Null without answers. */
  readonly mean_tokens: number | null
}

export interface ArmTotals extends AnswerTotals {
  readonly arm: number
  readonly temperature: number
  readonly top_p: number
}

/** Means over questions; null: no question has this score. */
export interface GroupMeans {
  readonly s_end: number | null
  readonly s_path: number | null
  readonly s_cf: number | null
  readonly s_wm: number | null
}

/** What the records alone tell, whoever sampled them. */
export interface ScoreSummary extends AnswerTotals, GroupMeans {
  readonly questions: number
  /** Questions whose answers are all correct, or all wrong. */
  readonly all_correct: number
  readonly all_wrong: number
  /** Texts that another answer to the same question has too. */
  readonly identical: number
  /** By preset, at the threshold of the pairs. */
  readonly told_apart: Readonly<Record<Preset, ToldApart>>
}

export interface RolloutTotals extends ScoreSummary {
  readonly finish_reasons: Readonly<Record<string, number>>
  readonly arms: readonly ArmTotals[]
}

export function summariseRollouts(
  groups: readonly ScoredGroup[],
  arms: readonly Arm[],
  toldApart: ScoreSummary['told_apart'],
): RolloutTotals {
  const all = groups.flatMap(({ trajectories }) => trajectories)
  const finishReasons: Record<string, number> = {}
  for (const { finish_reason: reason = 'unknown' } of all) {
    finishReasons[reason] = (finishReasons[reason] ?? 0) + 1
  }
  return {
    ...summariseScores(groups, toldApart),
    finish_reasons: finishReasons,
    arms: arms.map(({ temperature, topP }, arm) => ({
      arm,
      temperature,
      top_p: topP,
      ...answerTotals(all.filter((trajectory) => trajectory.arm === arm)),
    })),
  }
}

export function summariseScores(
  groups: readonly ScoredGroup[],
  toldApart: ScoreSummary['told_apart'],
): ScoreSummary {
  return {
    questions: groups.length,
    ...answerTotals(groups.flatMap(({ trajectories }) => trajectories)),
    all_correct: groups.filter(({ trajectories }) => trajectories.every(({ correct }) => correct)).length,
    all_wrong: groups.filter(({ trajectories }) => !trajectories.some(({ correct }) => correct)).length,
    identical: groups.reduce((sum, { trajectories }) => sum + repeated(trajectories), 0),
    ...groupMeans(groups),
    told_apart: toldApart,
  }
}

function answerTotals(answers: readonly ScoredTrajectory[]): AnswerTotals {
  const tokens = answers.reduce((sum, { num_tokens }) => sum + num_tokens, 0)
  return {
    answers: answers.length,
    correct: answers.filter(({ correct }) => correct).length,
    unanswered: answers.filter(({ answer }) => answer === null).length,
    truncated: answers.filter(({ finish_reason }) => finish_reason === 'length').length,
    mean_tokens: answers.length === 0 ? null : tokens / answers.length,
  }
}

function repeated(trajectories: readonly ScoredTrajectory[]): number {
  return trajectories.length - new Set(trajectories.map(({ full_text }) => full_text)).size
}

function groupMeans(groups: readonly ScoredGroup[]): GroupMeans {
  return {
    s_end: meanDefined(groups.map(({ s_end }) => s_end)),
    s_path: meanDefined(groups.map(({ s_path }) => s_path)),
    s_cf: meanDefined(groups.map(({ s_cf }) => s_cf)),
    s_wm: meanDefined(groups.map(({ s_wm }) => s_wm)),
  }
}
