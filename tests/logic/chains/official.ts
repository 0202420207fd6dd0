import { judgeChain } from '../../../src/logic/chains/judge-chain.ts'
import { splitSentences } from '../../../src/problems/readers/fields.ts'
import type { JudgedChain } from '../../../src/logic/chains/verdict.ts'
import { sharedJsonl } from '../../support/shared-data.ts'

/** A row of `official_verdicts.jsonl`: what the official judge (asaparov/prontoqa) said of one chain. */
export interface OfficialRow {
  readonly question: string
  readonly query: string
  readonly answer: 'True' | 'False'
  readonly variant: string
  readonly model_output: string
  readonly verdict: Readonly<Record<string, boolean | readonly number[]>>
}

export const OFFICIAL_FILE = ['prontoqa', 'official_verdicts.jsonl'] as const

export function officialRows(): readonly OfficialRow[] {
  return sharedJsonl<OfficialRow>(...OFFICIAL_FILE)
}

export function judgeRow(row: OfficialRow): JudgedChain {
  const label = row.answer === 'True' ? 'TRUE' : 'FALSE'
  const problem = { premises: splitSentences(row.question), conclusion: row.query, label } as const
  return judgeChain(problem, row.model_output)
}

export const VERDICTS = ['strict', 'with_skip', 'with_non_atomic', 'with_both', 'label_correct'] as const
export const SETS = [
  'correct_steps',
  'skip_steps',
  'non_atomic_steps',
  'wrong_branch_steps',
  'invalid_steps',
  'incorrect_steps',
] as const

/** The rows whose verdict (or index set) under a name is not the official one, as "row variant". */
export function disagreements(
  rows: readonly OfficialRow[],
  judged: readonly JudgedChain[],
): Readonly<Record<(typeof VERDICTS | typeof SETS)[number], readonly string[]>> {
  const where = (ours: (chain: JudgedChain) => unknown, name: string): readonly string[] =>
    rows.flatMap((row, index) => {
      const chain = judged[index]
      const same = chain !== undefined && JSON.stringify(ours(chain)) === JSON.stringify(row.verdict[name])
      return same ? [] : [`${index} ${row.variant}`]
    })
  const verdicts = VERDICTS.map((name) => [name, where(({ verdicts: given }) => given[name], name)] as const)
  const sets = SETS.map((name) => [name, where(({ sets: given }) => given[name], name)] as const)
  return Object.fromEntries([...verdicts, ...sets]) as ReturnType<typeof disagreements>
}
