import { Command } from 'commander'
import * as z from 'zod'
import { ElenchusError } from '../../errors.ts'
import { compare, type Comparison, type Outcome } from '../../evaluation/metrics-compare.ts'
import { readJsonl } from '../../runs/jsonl.ts'
import { withSession } from '../session.ts'
import { percent, renderTable, withInterval } from '../table.ts'

const rowSchema = z.looseObject({
  problem_id: z.string().optional(),
  question_id: z.string().optional(),
  index: z.number().int().optional(),
  correct: z.boolean(),
})

/** `elenchus compare`: accuracy of evaluation files, each against the first. */
export function compareCommand(): Command {
  return new Command('compare')
    .description('compare evaluation files: accuracy with Wilson interval, exact McNemar against the first')
    .argument('<files...>', 'evaluation rows (JSONL) of the same problems')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  elenchus compare outputs/evaluation/{iter0,iter2}/evaluation.jsonl')
    .action(async (files: readonly string[], options: { readonly json?: boolean }) => {
      await withSession(options, async ({ print }) => {
        const [first, ...others] = files
        if (first === undefined || others.length === 0)
          throw new ElenchusError('usage', 'Name two files or more.')
        const reference = await outcomes(first)
        const comparisons: { file: string; comparison: Comparison }[] = []
        for (const file of others)
          comparisons.push({ file, comparison: compare(reference, await outcomes(file)) })
        print(render(first, comparisons), { reference: first, comparisons })
      })
    })
}

async function outcomes(path: string): Promise<Outcome[]> {
  const rows: Outcome[] = []
  for await (const row of readJsonl(path, rowSchema)) {
    const id = row.problem_id ?? row.question_id ?? row.index
    if (id === undefined) {
      throw new ElenchusError(
        'record_invalid',
        `${path}: a row has neither problem_id, question_id nor index.`,
      )
    }
    rows.push({ id: String(id), success: row.correct })
  }
  return rows
}

function render(first: string, comparisons: readonly { file: string; comparison: Comparison }[]): string {
  return renderTable(
    ['file', 'problems', 'accuracy %', 'difference', 'gained', 'lost', 'McNemar p'],
    [
      [first, String(comparisons[0]?.comparison.n ?? 0), withInterval(comparisons[0]?.comparison.a ?? null)],
      ...comparisons.map(({ file, comparison }) => [
        file,
        String(comparison.n),
        withInterval(comparison.b),
        percent(comparison.difference.value),
        String(comparison.only_b),
        String(comparison.only_a),
        comparison.p_value.toPrecision(2),
      ]),
    ],
  )
}
