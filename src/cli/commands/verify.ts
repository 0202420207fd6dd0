import { Command, Option } from 'commander'
import { createEntailer } from '../../entailment/entailer.ts'
import { ElenchusError } from '../../errors.ts'
import { loadProblems } from '../../pipelines/problem-files.ts'
import { verifyChainFile } from '../../pipelines/verify-chains-file.ts'
import { verifyTraceFile } from '../../pipelines/verify-file.ts'
import { addJudgeFlags, parseAliases, type JudgeOptions } from '../judge-flags.ts'
import { withSession } from '../session.ts'
import { renderChains, renderTraces } from '../verify-tables.ts'

interface VerifyOptions extends JudgeOptions {
  readonly traces: string
  readonly problems?: string
  readonly style: 'options' | 'sentences'
  readonly json?: boolean
}

/** `elenchus verify`: judges any trace file; needs no model and no Python. */
export function verifyCommand(): Command {
  const command = new Command('verify')
    .description('judge a trace file, also one that another system wrote')
    .requiredOption(
      '--traces <file>',
      'JSONL with premises, conclusion and steps[].{thought, action}; for sentences, with premises or context, conclusion or query, and completion',
    )
    .option(
      '--problems <file>',
      'problems by problem_id, used instead of what the traces say of their problem',
    )
    .addOption(
      new Option('--style <style>', 'proofs made of options, or plain chains of thought')
        .choices(['options', 'sentences'])
        .default('options'),
    )
  return addJudgeFlags(command)
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  elenchus verify --traces theirs.jsonl --alias RULE=MODUS_PONENS\n' +
        '  elenchus verify --traces chains.jsonl --style sentences',
    )
    .action(async (options: VerifyOptions) => {
      if (options.style === 'sentences') refuseOptionFlags(command)
      await withSession(options, async ({ print, signal }) => {
        await using entailer = createEntailer()
        const shared = {
          entailer,
          signal,
          ...(options.problems !== undefined && { problems: await loadProblems(options.problems) }),
        }
        if (options.style === 'sentences') {
          const { summary, judgedPath } = await verifyChainFile(options.traces, shared)
          print(`${renderChains(summary)}\n\nverdicts in ${judgedPath}`, summary)
          return
        }
        const { summary, judgedPath } = await verifyTraceFile(options.traces, {
          claims: options.claims,
          aliases: parseAliases(options.alias),
          ...shared,
        })
        print(`${renderTraces(summary)}\n\nverdicts in ${judgedPath}`, summary)
      })
    })
}

/** Chains have neither claims apart from their steps nor options; a flag that would do nothing is a mistake. */
function refuseOptionFlags(command: Command): void {
  for (const name of ['claims', 'alias']) {
    if (command.getOptionValueSource(name) === 'cli') {
      throw new ElenchusError('usage', `--${name} has no meaning with --style sentences.`)
    }
  }
}
