import { Command } from 'commander'
import { createEntailer } from '../../entailment/entailer.ts'
import { loadProblems } from '../../pipelines/problem-files.ts'
import { verifyTraceFile } from '../../pipelines/verify-file.ts'
import type { VerifySummary } from '../../traces/totals.ts'
import { addJudgeFlags, parseAliases, type JudgeOptions } from '../judge-flags.ts'
import { withSession } from '../session.ts'
import { percent, renderTable } from '../table.ts'
import { counts } from '../totals.ts'

interface VerifyOptions extends JudgeOptions {
  readonly traces: string
  readonly problems?: string
  readonly json?: boolean
}

/** `elenchus verify`: judges any trace file; needs no model and no Python. */
export function verifyCommand(): Command {
  const command = new Command('verify')
    .description('judge a trace file, also one that another system wrote')
    .requiredOption('--traces <file>', 'JSONL with premises, conclusion and steps[].{thought, action}')
    .option(
      '--problems <file>',
      'problems by problem_id, used instead of what the traces say of their problem',
    )
  return addJudgeFlags(command)
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  elenchus verify --traces theirs.jsonl --alias RULE=MODUS_PONENS')
    .action(async (options: VerifyOptions) => {
      await withSession(options, async ({ print, signal }) => {
        await using entailer = createEntailer()
        const { summary, judgedPath } = await verifyTraceFile(options.traces, {
          claims: options.claims,
          aliases: parseAliases(options.alias),
          entailer,
          signal,
          ...(options.problems !== undefined && { problems: await loadProblems(options.problems) }),
        })
        print(`${render(summary)}\n\nverdicts in ${judgedPath}`, summary)
      })
    })
}

function render(summary: VerifySummary): string {
  const share = (count: number, of: number): string => (of === 0 ? '-' : percent(count / of))
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
