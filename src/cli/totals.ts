import type { TracesSummary } from '../traces/stage.ts'
import { percent, renderTable } from './table.ts'

export function renderTraceTotals(summary: TracesSummary): string {
  const share = (count: number, of: number): string => (of === 0 ? '-' : `${percent(count / of)} %`)
  return [
    renderTable(
      ['traces', 'count', 'share'],
      [
        ['all', String(summary.traces), ''],
        ['correct', String(summary.correct), share(summary.correct, summary.traces)],
        ['valid by proof', String(summary.valid_by_proof), share(summary.valid_by_proof, summary.traces)],
        [
          'certified by the solver',
          String(summary.valid_by_solver),
          share(summary.valid_by_solver, summary.traces),
        ],
        ['identical to another sample', String(summary.identical), share(summary.identical, summary.traces)],
      ],
    ),
    '',
    `${summary.valid_steps} of ${summary.steps} steps are valid (${share(summary.valid_steps, summary.steps)})`,
    `ended by: ${counts(summary.finish_reasons)}`,
    `codes: ${counts(summary.codes) || 'none'}`,
  ].join('\n')
}

export function counts(table: Readonly<Record<string, number>>): string {
  return Object.entries(table)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
