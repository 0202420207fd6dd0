import type { Comparison } from '../evaluation/metrics-compare.ts'
import type { OakRow, OakSummary } from '../pipelines/oak/summary.ts'
import { percent, renderTable, withInterval } from './table.ts'

/** What the OaK loop prints: one row per policy, then controls, baselines and the paired test. */
export function renderOakTable(summary: OakSummary): string {
  const header = [
    'policy',
    'accuracy %',
    'step validity %',
    'trace validity % [95 %]',
    'steps',
    'traces',
    'pairs',
  ]
  const rows = [...summary.iterations, ...summary.controls].map(toCells)
  const { majority_label: majority, solver } = summary.baselines
  const parts = [
    `${summary.held_out} held-out problems, greedy, seed ${summary.seed}, ${summary.wall_seconds.toFixed(0)} s`,
    '',
    renderTable(header, [
      ...rows,
      ['baseline: commonest label', percent(majority)],
      ['baseline: solver alone', percent(solver)],
    ]),
    '',
    `first to last, trace validity: ${describe(summary.first_to_last.trace_validity)}`,
    `first to last, accuracy:       ${describe(summary.first_to_last.accuracy)}`,
  ]
  for (const [name, compared] of Object.entries(summary.also)) {
    parts.push('', `also on ${name}:`, renderTable(header, compared.map(toCells)))
  }
  return parts.join('\n')
}

function toCells(row: OakRow): string[] {
  const { metrics } = row.evaluation
  return [
    row.iteration === 0 ? 'iteration 0 (SFT)' : row.name,
    percent(row.accuracy),
    percent(row.step_validity),
    withInterval(metrics.trace_validity),
    metrics.steps_per_trace.value.toFixed(1),
    row.traces === 0 ? '-' : String(row.traces),
    row.pairs === 0 ? '-' : String(row.pairs),
  ]
}

function describe(comparison: Comparison): string {
  const points = (100 * comparison.difference.value).toFixed(1)
  return `${comparison.difference.value >= 0 ? '+' : ''}${points} points (${comparison.only_b} gained, ${comparison.only_a} lost, exact McNemar p = ${comparison.p_value.toPrecision(2)})`
}
