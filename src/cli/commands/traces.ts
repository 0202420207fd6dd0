import { join } from 'node:path'
import { Command } from 'commander'
import { tracesSchema } from '../../config/traces.ts'
import { problemLengths, type StageToPlan, USUAL_RANK } from '../../pipelines/plan-stage.ts'
import { loadProblemFiles } from '../../pipelines/problem-files.ts'
import { annotateProblems } from '../../problems/annotate.ts'
import { runTraces } from '../../traces/stage.ts'
import { addSchemaFlags, readSchemaFlags } from '../flags.ts'
import { addGeneratorFlags, checkGenerator, type GeneratorOptions, openGenerator } from '../generator.ts'
import { positiveInteger } from '../numbers.ts'
import { withBackendSession } from '../dry-run.ts'
import { renderTraceTotals } from '../totals.ts'
import { addModelFlags, addRunFlags, type RunOptions } from './shared.ts'

/** The guide's full-run settings, except for greedy decoding, which gives identical samples. */
const GUIDE_DEFAULTS = { temperature: 0.7, max_steps: 6, max_thought_tokens: 60 }

interface TracesOptions extends RunOptions, GeneratorOptions {
  readonly data: readonly string[]
  readonly numProblems?: number
}

/** `elenchus traces`: stage 1 of the old guide, `generate_traces.py`. */
export function tracesCommand(): Command {
  const command = new Command('traces')
    .description('generate reasoning traces with a model and judge every step')
    .requiredOption('--data <files...>', 'problem files')
    .option('--num-problems <n>', 'the first n problems', positiveInteger)
  addModelFlags(command)
  addSchemaFlags(command, tracesSchema)
  addGeneratorFlags(command)
  return addRunFlags(command)
    .addHelpText(
      'after',
      '\nExample:\n  elenchus traces --model outputs/sft/final --data data/processed/prontoqa_train.jsonl \\\n    --output outputs/traces/run1 --num-problems 100 --samples-per-problem 4',
    )
    .action(async (options: TracesOptions) => {
      await withBackendSession(options, {
        prepare: async () => {
          const config = readSchemaFlags(tracesSchema, { ...options }, GUIDE_DEFAULTS)
          const all = annotateProblems(await loadProblemFiles(options.data))
          const problems = all.slice(0, options.numProblems)
          const { base, adapter } = await checkGenerator(options)
          const plan: StageToPlan = {
            command: 'traces',
            model: base,
            lengths: problemLengths(problems),
            stage: (planner) =>
              planner.sample(
                'traces',
                'problems',
                problems.length,
                config.samples_per_problem,
                config,
                adapter === null ? null : USUAL_RANK,
              ),
          }
          return { config, problems, plan }
        },
        run: async ({ config, problems }, { events, signal, print }) => {
          const { backend: opened, policy } = await openGenerator(options, {
            logDirectory: join(options.output, 'logs'),
            events,
            signal,
          })
          await using backend = opened
          const summary = await runTraces(
            { backend, events, signal, resume: options.resume ?? false },
            { dir: options.output, config, seed: options.seed, problems, policy },
          )
          print(renderTraceTotals(summary), summary)
        },
      })
    })
}
