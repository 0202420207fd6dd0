import type { PreparedRolloutPairs } from '../pipelines/rollout-pairs.ts'
import type { RolloutsSummary } from '../rollouts/stage.ts'
import type { AnswerTotals, ScoreSummary } from '../rollouts/summary.ts'
import { percent, renderTable } from './table.ts'
import { counts } from './totals.ts'

/** The scores of a rollout file. */
export function renderScores(summary: ScoreSummary): string {
  const { told_apart: toldApart } = summary
  const score = (value: number | null): string => (value === null ? '-' : value.toFixed(4))
  return [
    `${summary.answers} answers to ${summary.questions} questions, ${share(summary.correct, summary.answers)} % correct`,
    `all correct for ${summary.all_correct} questions, all wrong for ${summary.all_wrong}; ${summary.identical} identical texts`,
    '',
    renderTable(
      ['mean over questions', ''],
      (['s_end', 's_path', 's_cf', 's_wm'] as const).map((name) => [name, score(summary[name])]),
    ),
    '',
    renderTable(
      ['correct answers told apart', 'comparable', '%', '% beyond length'],
      Object.entries(toldApart).map(([preset, each]) => [
        preset,
        String(each.comparable),
        percent(each.share),
        percent(each.share_beyond_length),
      ]),
    ),
  ].join('\n')
}

/** What `elenchus rollouts` prints: scores, and how each arm did. */
export function renderRollouts(summary: RolloutsSummary): string {
  const rate = summary.throughput?.generated?.tokens_per_second ?? null
  return [
    renderScores(summary),
    '',
    renderTable(
      ['arm', 'temperature', 'top-p', 'correct %', 'unanswered %', 'truncated %', 'tokens'],
      [
        ...summary.arms.map((arm) => [
          String(arm.arm),
          String(arm.temperature),
          String(arm.top_p),
          ...totalCells(arm),
        ]),
        ['all', '', '', ...totalCells(summary)],
      ],
    ),
    '',
    `ended by: ${counts(summary.finish_reasons)}`,
    `${summary.generated} answers generated${rate === null ? '' : `, ${rate.toFixed(0)} tokens/s`}`,
  ].join('\n')
}

/** What `elenchus preferences` prints: what became of the rollouts, and what other thresholds would give. */
export function renderPairs({ pairs, report, reasons }: PreparedRolloutPairs): string {
  return [
    `${pairs.length} pairs from ${report.questions_with_pairs} of ${report.questions} questions: ` +
      `${report.pairs.correctness} correctness, ${report.pairs.coherence} coherence, ${report.pairs.length} length`,
    '',
    renderTable(
      ['threshold', 'correctness', 'coherence', 'length'],
      report.yield.map((row) => [
        String(row.threshold),
        String(row.correctness),
        String(row.coherence),
        String(row.length),
      ]),
    ),
    '',
    `left out: ${report.identical_trajectories} identical and ${report.empty_trajectories} empty answers; pairs: ${counts(report.skipped)}`,
    ...(reasons.length === 0 ? [] : ['why not more:', ...reasons.map((reason) => `  - ${reason}`)]),
  ].join('\n')
}

function totalCells(totals: AnswerTotals): string[] {
  return [
    share(totals.correct, totals.answers),
    share(totals.unanswered, totals.answers),
    share(totals.truncated, totals.answers),
    totals.mean_tokens?.toFixed(1) ?? '-',
  ]
}

function share(count: number, of: number): string {
  return of === 0 ? '-' : percent(count / of)
}
