import { COHERENCE_SCORES } from '../evaluation/questions-coherence.ts'
import type { Comparison } from '../evaluation/metrics-compare.ts'
import type { AbelRow, AbelSummary } from '../pipelines/abel/summary.ts'
import { percent, renderTable, withInterval } from './table.ts'

/** What the Abel pipeline prints: one row per policy, the paired tests, and what was gained in coherence. */
export function renderAbelTable(summary: AbelSummary): string {
  const { base, ppo, dpo, control, comparisons, coherence, pairs, rollouts } = summary
  const rows = [cells('base', base), cells('PPO', ppo), cells('DPO', dpo)]
  if (control !== null) rows.push(cells(`control: ${control.steps} more SFT steps`, control))
  const told = rollouts.told_apart
  return [
    `${summary.held_out} held-out questions, greedy, seed ${summary.seed}, ${summary.wall_seconds.toFixed(0)} s`,
    '',
    renderTable(['policy', 'accuracy % [95 %]', 'unanswered %', 'truncated %', 'tokens'], rows),
    '',
    `base to PPO: ${describe(comparisons.base_ppo)}`,
    `PPO to DPO:  ${describe(comparisons.ppo_dpo)}`,
    `pairs: ${pairs.correctness} correctness, ${pairs.coherence} coherence, ${pairs.length} length`,
    `correct answers told apart beyond length: guide ${percent(told.guide.share_beyond_length)} %, trajectory ${percent(told.trajectory.share_beyond_length)} %`,
    ...(coherence === null ? [] : ['', renderCoherence(summary, coherence)]),
  ].join('\n')
}

function cells(name: string, { evaluation: { metrics } }: AbelRow): string[] {
  return [
    name,
    withInterval(metrics.accuracy),
    percent(metrics.unanswered.value),
    percent(metrics.truncated.value),
    metrics.mean_tokens.toFixed(1),
  ]
}

function describe(comparison: Comparison): string {
  const points = (100 * comparison.difference.value).toFixed(1)
  return `${comparison.difference.value >= 0 ? '+' : ''}${points} points (${comparison.only_b} gained, ${comparison.only_a} lost, exact McNemar p = ${comparison.p_value.toPrecision(2)})`
}

function renderCoherence(
  { base, ppo, dpo }: AbelSummary,
  differences: NonNullable<AbelSummary['coherence']>,
): string {
  return renderTable(
    ['coherence of samples', 'base %', 'PPO %', 'DPO %', 'DPO - PPO [95 %]'],
    COHERENCE_SCORES.map((score) => {
      const mean = ({ evaluation }: AbelRow): string => percent(evaluation.coherence?.[score]?.value)
      return [score, mean(base), mean(ppo), mean(dpo), withInterval(differences.ppo_dpo[score])]
    }),
  )
}
