import { compare, type Comparison, type Outcome } from '../../evaluation/metrics-compare.ts'
import { compareCoherence, type Coherence } from '../../evaluation/questions-coherence.ts'
import { questionRowSchema } from '../../evaluation/questions-metrics.ts'
import type { QuestionEvaluationSummary } from '../../evaluation/questions-stage.ts'
import type { PairCounts } from '../../preferences/rollouts.ts'
import { scoredGroupSchema, type ScoredGroup } from '../../regime-w/group.ts'
import type { RolloutsSummary } from '../../rollouts/stage.ts'
import { readJsonl } from '../../runs/jsonl.ts'

/** One row of the table: a policy on the held-out questions. */
export interface AbelRow {
  readonly name: string
  /** Fingerprint of the evaluated weights. */
  readonly policy: string
  readonly accuracy: number
  readonly evaluation: QuestionEvaluationSummary
  /** File of the evaluation rows. */
  readonly rows: string
  /** File of the rollouts on which coherence was measured; null if it was not. */
  readonly coherence_rollouts: string | null
}

export interface AbelSummary {
  readonly pipeline: 'abel'
  /** Held-out questions. */
  readonly held_out: number
  readonly seed: number
  /** Of this attempt; a resumed run does not count what earlier attempts took. */
  readonly wall_seconds: number
  readonly base: AbelRow
  readonly ppo: AbelRow
  readonly dpo: AbelRow
  /** More supervised training of the base for the seconds that PPO, rollouts and DPO took. */
  readonly control: (AbelRow & { readonly steps: number; readonly seconds: number }) | null
  /** Exact two-sided p-values on the same questions. */
  readonly mcnemar: { readonly base_ppo: number; readonly ppo_dpo: number }
  readonly comparisons: { readonly base_ppo: Comparison; readonly ppo_dpo: Comparison }
  /** Differences in coherence on the same questions; null where it was not measured. */
  readonly coherence: { readonly base_ppo: Coherence; readonly ppo_dpo: Coherence } | null
  readonly pairs: PairCounts
  readonly rollouts: RolloutsSummary
}

/** The paired tests and the whole picture. */
export async function abelSummary(input: {
  readonly seed: number
  readonly heldOut: number
  readonly wallSeconds: number
  readonly base: AbelRow
  readonly ppo: AbelRow
  readonly dpo: AbelRow
  readonly control: AbelSummary['control']
  readonly pairs: PairCounts
  readonly rollouts: RolloutsSummary
}): Promise<AbelSummary> {
  const { base, ppo, dpo, seed } = input
  const [baseOutcomes, ppoOutcomes, dpoOutcomes] = await Promise.all([base, ppo, dpo].map(outcomes))
  const comparisons = {
    base_ppo: compare(baseOutcomes!, ppoOutcomes!, { seed }),
    ppo_dpo: compare(ppoOutcomes!, dpoOutcomes!, { seed }),
  }
  return {
    pipeline: 'abel',
    held_out: input.heldOut,
    seed,
    wall_seconds: input.wallSeconds,
    base,
    ppo,
    dpo,
    control: input.control,
    mcnemar: { base_ppo: comparisons.base_ppo.p_value, ppo_dpo: comparisons.ppo_dpo.p_value },
    comparisons,
    coherence: await coherenceDifferences([base, ppo, dpo], seed),
    pairs: input.pairs,
    rollouts: input.rollouts,
  }
}

async function outcomes({ rows }: AbelRow): Promise<Outcome[]> {
  const result: Outcome[] = []
  for await (const { question_id: id, correct } of readJsonl(rows, questionRowSchema)) {
    result.push({ id, success: correct })
  }
  return result
}

async function coherenceDifferences(
  rows: readonly [AbelRow, AbelRow, AbelRow],
  seed: number,
): Promise<AbelSummary['coherence']> {
  const [base, ppo, dpo] = await Promise.all(rows.map(coherenceGroups))
  if (base == null || ppo == null || dpo == null) return null
  return { base_ppo: compareCoherence(base, ppo, { seed }), ppo_dpo: compareCoherence(ppo, dpo, { seed }) }
}

async function coherenceGroups({ coherence_rollouts: path }: AbelRow): Promise<ScoredGroup[] | null> {
  if (path === null) return null
  const groups: ScoredGroup[] = []
  for await (const group of readJsonl(path, scoredGroupSchema)) groups.push(group)
  return groups
}
