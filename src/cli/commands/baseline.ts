import { Command, Option } from 'commander'
import { runBaseline, type BaselineOutcome } from '../../entailment/baseline.ts'
import { BASELINE_TASKS, createTaskEntailer, type BaselineTask } from '../../entailment/entailer.ts'
import { loadProblemFiles } from '../../pipelines/problem-files.ts'
import { withSession } from '../session.ts'
import { renderTable } from '../table.ts'

interface BaselineOptions {
  readonly data: readonly string[]
  readonly task: BaselineTask
  readonly failures?: boolean
  readonly json?: boolean
}

/** `elenchus baseline`: what the solver alone answers. */
export function baselineCommand(): Command {
  return new Command('baseline')
    .description('what the solver alone answers, without any model')
    .requiredOption('--data <files...>', 'problem files (PrOntoQA, ProofWriter, FOLIO, problem records)')
    .addOption(
      new Option(
        '--task <task>',
        'whose labels to answer; proofwriter: rules applied forwards, as its labels are made',
      )
        .choices(BASELINE_TASKS)
        .default('prontoqa'),
    )
    .option('--failures', 'list every problem that was not answered right, with the reason')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  elenchus baseline --task folio --data folio-validation.jsonl --failures',
    )
    .action(async (options: BaselineOptions) => {
      await withSession(options, async ({ print }) => {
        const problems = await loadProblemFiles(options.data)
        await using entailer = createTaskEntailer(options.task)
        const { summary, outcomes } = await runBaseline(problems, entailer)
        const failures = outcomes.filter((outcome) => outcome.verdict !== 'right')
        const rows = Object.entries(summary).map(([name, value]) => [
          name,
          name === 'seconds' ? value.toFixed(2) : String(value),
        ])
        const text = [
          renderTable(['solver alone', ''], rows),
          ...(options.failures === true ? ['', ...failures.map(describe)] : []),
        ].join('\n')
        print(text, options.failures === true ? { ...summary, failures } : summary)
      })
    })
}

function describe(outcome: BaselineOutcome): string {
  const answer = outcome.answer === null ? '' : `, answered ${outcome.answer}`
  return `${outcome.problem_id}: ${outcome.verdict} (label ${outcome.label}${answer})${outcome.reason === undefined ? '' : `: ${outcome.reason}`}`
}
