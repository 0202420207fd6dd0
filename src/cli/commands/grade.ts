import { Command } from 'commander'
import { DEFAULT_MARKER } from '../../answers/extract.ts'
import { gradeFile } from '../../pipelines/grade-file.ts'
import { withSession } from '../session.ts'
import { percent, renderTable } from '../table.ts'

interface GradeOptions {
  readonly outputs: string
  readonly outputField: string
  readonly goldField: string
  readonly marker: string
  readonly json?: boolean
}

/** `elenchus grade`: final answers of anybody's outputs; needs no model and no Python. */
export function gradeCommand(): Command {
  return new Command('grade')
    .description("grade the final answers of anybody's outputs, as exact numbers")
    .requiredOption('--outputs <file>', 'JSONL with one output and its gold answer per line')
    .requiredOption('--output-field <name>', 'field of the output; a dot goes into an object')
    .requiredOption(
      '--gold-field <name>',
      'field of the gold answer: a number, or a solution that ends with one',
    )
    .option('--marker <text>', 'what stands before the final answer; the last one counts', DEFAULT_MARKER)
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  elenchus grade --outputs outputs.jsonl --output-field output --gold-field answer',
    )
    .action(async (options: GradeOptions) => {
      await withSession(options, async ({ print }) => {
        const { totals, gradedPath } = await gradeFile(options.outputs, options)
        const share = (count: number): string => (totals.rows === 0 ? '-' : percent(count / totals.rows))
        const rows = [
          ['outputs', String(totals.rows), ''],
          ['correct', String(totals.correct), share(totals.correct)],
          ['unanswered', String(totals.unanswered), share(totals.unanswered)],
        ]
        print(`${renderTable(['', 'count', '%'], rows)}\n\nverdicts in ${gradedPath}`, totals)
      })
    })
}
