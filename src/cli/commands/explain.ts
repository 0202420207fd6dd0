import { Command } from 'commander'
import { createEntailer } from '../../entailment/entailer.ts'
import { ElenchusError } from '../../errors.ts'
import { parseTheory } from '../../logic/language/theory.ts'
import { readJsonl } from '../../runs/jsonl.ts'
import { explainTrace } from '../../traces/explain.ts'
import { foreignTraceSchema } from '../../traces/record.ts'
import { TraceVerifier } from '../../traces/verify.ts'
import { addJudgeFlags, parseAliases, type JudgeOptions } from '../judge-flags.ts'
import { withSession } from '../session.ts'

interface ExplainOptions extends JudgeOptions {
  readonly traces: string
  readonly line: string
  readonly json?: boolean
}

/** `elenchus explain`: one judged trace, step by step, for a person. */
export function explainCommand(): Command {
  const command = new Command('explain')
    .description('show one judged trace, step by step')
    .requiredOption('--traces <file>', 'trace file (JSONL)')
    .option('--line <n>', 'which trace of the file, from 1', '1')
  return addJudgeFlags(command)
    .option('--json', 'print the judged record')
    .addHelpText('after', '\nExample:\n  elenchus explain --traces outputs/traces/run1/traces.jsonl --line 3')
    .action(async (options: ExplainOptions) => {
      await withSession(options, async ({ print }) => {
        const wanted = Number(options.line)
        let line = 0
        for await (const trace of readJsonl(options.traces, foreignTraceSchema)) {
          line++
          if (line !== wanted) continue
          await using entailer = createEntailer()
          const theory = parseTheory(trace)
          const entailment = theory.ok ? (await entailer.decide(theory)).entailment : undefined
          const verifier = new TraceVerifier({
            claims: options.claims,
            aliases: parseAliases(options.alias),
            entailmentOf: () => entailment,
          })
          const judged = verifier.judge(trace)
          print(explainTrace(judged, judged).trimEnd(), judged)
          return
        }
        throw new ElenchusError('usage', `--line ${options.line}: ${options.traces} holds ${line} traces.`)
      })
    })
}
