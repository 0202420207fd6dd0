import type { ChainSummary } from '../traces/chains.ts'
import type { VerifySummary } from '../traces/totals.ts'
import { percent, renderTable } from './table.ts'
import { counts } from './totals.ts'

/** What `verify` prints of proofs made of options. */
export function renderTraces(summary: VerifySummary): string {
  return [
    renderTable(
      ['', 'count', 'valid', '%'],
      [
        [
          'traces',
          String(summary.traces),
          String(summary.valid_traces),
          share(summary.valid_traces, summary.traces),
        ],
        ['  by proof', '', String(summary.valid_by_proof), share(summary.valid_by_proof, summary.traces)],
        [
          'steps',
          String(summary.steps),
          String(summary.valid_steps),
          share(summary.valid_steps, summary.steps),
        ],
        ...Object.entries(summary.options).map(([name, { steps, valid }]) => [
          `  ${name}`,
          String(steps),
          String(valid),
          share(valid, steps),
        ]),
      ],
    ),
    '',
    `codes: ${counts(summary.codes) || 'none'}`,
    `set apart: ${summary.unverifiable} traces of unverifiable problems, ${summary.inconsistent} of inconsistent ones`,
    `steps on which the file's own verdict differs: ${summary.disagreements}`,
  ].join('\n')
}

/** What `verify --style sentences` prints. */
export function renderChains(summary: ChainSummary): string {
  const row = (name: string, count: number, of: number): string[] => [name, String(count), share(count, of)]
  const { chains, steps } = summary
  return [
    renderTable(
      ['', 'count', '%'],
      [
        ['chains', String(chains), ''],
        row('  strict', summary.strict, chains),
        row('  with skip steps', summary.with_skip, chains),
        row('  with non-atomic steps', summary.with_non_atomic, chains),
        row('  with both', summary.with_both, chains),
        ['steps', String(steps), ''],
        row('  correct', summary.correct_steps, steps),
        row('  skip', summary.skip_steps, steps),
        row('  non-atomic', summary.non_atomic_steps, steps),
        row('  incorrect', summary.incorrect_steps, steps),
        row('    unparseable', summary.unparseable, steps),
      ],
    ),
    '',
    `right answer: ${summary.label_correct} of the ${summary.labelled} chains for which it is known`,
    `set apart: ${summary.unverifiable} chains of unverifiable problems, ${summary.inconsistent} of inconsistent ones`,
  ].join('\n')
}

function share(count: number, of: number): string {
  return of === 0 ? '-' : percent(count / of)
}
