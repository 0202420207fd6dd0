import { join } from 'node:path'
import { Command } from 'commander'
import { sftSchema } from '../../config/training.ts'
import { resolveModel } from '../../pipelines/model-reference.ts'
import { sftExamples } from '../../pipelines/oak/demonstrations.ts'
import { lengthsOf, type StageToPlan } from '../../pipelines/plan-stage.ts'
import { loadProblemFiles } from '../../pipelines/problem-files.ts'
import { annotateProblems } from '../../problems/annotate.ts'
import { fingerprintJson } from '../../runs/fingerprint.ts'
import { checkSft, runSft } from '../../training/sft.ts'
import { addBackendFlags, openTorch, policyOf, readBackendFlags } from '../backend.ts'
import { addSchemaFlags, readSchemaFlags } from '../flags.ts'
import { positiveInteger } from '../numbers.ts'
import { withBackendSession } from '../dry-run.ts'
import { addSinkFlags, openSinks, type SinkFlags } from '../sinks.ts'
import { addModelFlags, addRunFlags, type ModelOptions, type RunOptions } from './shared.ts'

interface SftOptions extends RunOptions, ModelOptions, SinkFlags {
  readonly data: readonly string[]
  readonly numProblems?: number
  readonly full?: boolean
}

/** `elenchus sft`: supervised fine-tuning on gold proofs. */
export function sftCommand(): Command {
  const command = new Command('sft')
    .description('fine-tune a model on gold proofs')
    .requiredOption('--data <files...>', 'problem files; proofs that are missing are searched for')
    .option('--num-problems <n>', 'the first n problems', positiveInteger)
    .option('--full', 'train every weight instead of an adapter')
  addModelFlags(command)
  addSchemaFlags(command, sftSchema)
  addBackendFlags(command)
  return addSinkFlags(addRunFlags(command))
    .addHelpText(
      'after',
      '\nExample:\n  elenchus sft --model Qwen/Qwen3-8B --data data/processed/prontoqa_train.jsonl \\\n    --output outputs/sft/run1 --learning-rate 2e-4 --batch-size 4 --gradient-accumulation-steps 8',
    )
    .action(async (options: SftOptions) => {
      await withBackendSession(options, {
        prepare: async ({ events: told }) => {
          const settings = readSchemaFlags(sftSchema, { ...options })
          const config = options.full === true ? { ...settings, lora: null } : settings
          const problems = annotateProblems(
            (await loadProblemFiles(options.data)).slice(0, options.numProblems),
          )
          const { seed } = options
          const examples = sftExamples(problems, config.demonstrations, seed)
          if (examples.length < problems.length) {
            const without = problems.length - examples.length
            const message = `${without} of ${problems.length} problems have no gold proof and are left out.`
            told({ type: 'warning', stage: 'sft', message })
          }
          checkSft(examples, 'sft')
          const reference = await resolveModel(options)
          const plan: StageToPlan = {
            command: 'sft',
            model: reference.base,
            lengths: lengthsOf(
              examples.map(({ prompt }) => prompt),
              examples.map(({ completion }) => completion),
            ),
            stage: (planner) => planner.train('sft', 'demonstrations', examples.length, config, config.lora),
          }
          return { config, examples, reference, plan }
        },
        run: async ({ config, examples, reference }, { events: told, signal, print }) => {
          const { seed } = options
          await using sinks = await openSinks(options, { dir: options.output, config, events: told })
          const { events } = sinks
          await using backend = openTorch(readBackendFlags({ ...options }), reference.base, {
            logDirectory: join(options.output, 'logs'),
            events,
          })
          const summary = await runSft(
            { backend, events, signal, resume: options.resume ?? false },
            {
              dir: options.output,
              config,
              seed,
              examples,
              dataFingerprint: fingerprintJson(examples),
              start: await policyOf(backend, reference),
            },
          )
          const losses = `loss ${summary.first_loss?.toFixed(4) ?? '-'} -> ${summary.last_loss?.toFixed(4) ?? '-'}`
          const text = `${summary.steps} steps on ${summary.examples} demonstrations, ${losses}`
          print(`${text}\nweights in ${join(options.output, 'final')}`, summary)
        },
      })
    })
}
