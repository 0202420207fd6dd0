import { join } from 'node:path'
import { Command } from 'commander'
import { rolloutsSchema } from '../../config/rollouts.ts'
import { questionLengths, type StageToPlan, USUAL_RANK } from '../../pipelines/plan-stage.ts'
import { loadQuestions } from '../../pipelines/question-files.ts'
import { armsOf } from '../../rollouts/arms.ts'
import { runRollouts } from '../../rollouts/stage.ts'
import { stageDirectoryOf } from '../../runs/beside.ts'
import { addSchemaFlags, readSchemaFlags } from '../flags.ts'
import { addGeneratorFlags, checkGenerator, type GeneratorOptions, openGenerator } from '../generator.ts'
import { nonNegativeInteger, positiveInteger } from '../numbers.ts'
import { renderRollouts } from '../rollout-tables.ts'
import { withBackendSession } from '../dry-run.ts'
import { addModelFlags, type RunOptions } from './shared.ts'

interface RolloutsOptions extends Omit<RunOptions, 'output'>, GeneratorOptions {
  readonly dataPath: string
  readonly outPath: string
  readonly nSamples?: number
  readonly nGpus?: number
}

/** `elenchus rollouts`: stage 2 of the old guide, `collect_rollouts_abel_multigpu.py`. */
export function rolloutsCommand(): Command {
  const command = new Command('rollouts')
    .description('sample several answers per question and score each group with Regime W')
    .requiredOption('--data-path <file>', "questions of GSM8K's form")
    .requiredOption('--out-path <file>', 'JSONL file of rollout groups; its manifest stands beside it')
    .option('--n-samples <n>', 'the first n questions', positiveInteger)
    .option('--n-gpus <n>', 'the first n devices (the same as --num-gpus)', positiveInteger)
  addModelFlags(command)
  addSchemaFlags(command, rolloutsSchema)
  addGeneratorFlags(command)
  return command
    .option('--seed <n>', 'seed of everything random', nonNegativeInteger, 42)
    .option('--resume', 'continue where an interrupted attempt stopped')
    .option('--json', 'print the summary as JSON, and events as JSON lines on stderr')
    .addHelpText(
      'after',
      '\nExample:\n  elenchus rollouts --base-model GAIR/Abel-7B-002 --lora-path checkpoints/abel_ppo_lora \\\n    --data-path data/gsm8k_train.jsonl --out-path data/abel_regime_w_rollouts.jsonl --n-samples 500 --n-gpus 8',
    )
    .action(async (given: RolloutsOptions) => {
      const options = { ...(given.nGpus !== undefined && { numGpus: String(given.nGpus) }), ...given }
      await withBackendSession(options, {
        prepare: async () => {
          const config = readSchemaFlags(rolloutsSchema, { ...options })
          armsOf(config)
          const questions = (await loadQuestions([options.dataPath])).slice(0, options.nSamples)
          const { base, adapter } = await checkGenerator(options)
          const plan: StageToPlan = {
            command: 'rollouts',
            model: base,
            lengths: questionLengths(questions),
            stage: (planner) =>
              planner.sample(
                'rollouts',
                'questions',
                questions.length,
                config.arms,
                config,
                adapter === null ? null : USUAL_RANK,
              ),
          }
          return { config, questions, plan }
        },
        run: async ({ config, questions }, { events, signal, print }) => {
          const dir = stageDirectoryOf(options.outPath)
          const { backend: opened, policy } = await openGenerator(options, {
            logDirectory: join(dir, 'logs'),
            events,
            signal,
          })
          await using backend = opened
          const summary = await runRollouts(
            { backend, events, signal, resume: options.resume ?? false },
            { dir, path: options.outPath, config, seed: options.seed, questions, policy },
          )
          print(`${renderRollouts(summary)}\n\nrollouts in ${options.outPath}`, summary)
        },
      })
    })
}
