import { join } from 'node:path'
import { Command } from 'commander'
import { answersEach, ppoSchema } from '../../config/ppo.ts'
import { resolveModel } from '../../pipelines/model-reference.ts'
import { questionLengths, type StageToPlan } from '../../pipelines/plan-stage.ts'
import { loadQuestions } from '../../pipelines/question-files.ts'
import { checkPpo, runPpo, type PpoSummary } from '../../training/ppo/stage.ts'
import { addBackendFlags, openTorch, policyOf, readBackendFlags } from '../backend.ts'
import { addSchemaFlags, readSchemaFlags } from '../flags.ts'
import { withBackendSession } from '../dry-run.ts'
import { addSinkFlags, openSinks, type SinkFlags } from '../sinks.ts'
import { addModelFlags, addRunFlags, type ModelOptions, type RunOptions } from './shared.ts'

interface PpoOptions extends RunOptions, ModelOptions, SinkFlags {
  readonly dataPath: string
}

/** `elenchus ppo`: stage 1 of the old guide, `train_ppo_correctness.py`. */
export function ppoCommand(): Command {
  const command = new Command('ppo')
    .description('reinforcement learning on correct answers: PPO, GRPO or RLOO')
    .requiredOption('--data-path <file>', "questions of GSM8K's form")
  addModelFlags(command)
  addSchemaFlags(command, ppoSchema)
  addBackendFlags(command)
  return addSinkFlags(addRunFlags(command))
    .addHelpText(
      'after',
      '\nExample:\n  elenchus ppo --base-model GAIR/Abel-7B-002 --data-path data/gsm8k_train.jsonl \\\n    --output checkpoints/abel_ppo_lora --n-samples 2000 --batch-size 4 --target-kl 0.1',
    )
    .action(async (options: PpoOptions) => {
      await withBackendSession(options, {
        prepare: async () => {
          const config = readSchemaFlags(ppoSchema, { ...options })
          const questions = await loadQuestions([options.dataPath])
          const reference = await resolveModel(options)
          checkPpo(config, questions, reference.adapter === null ? 'base' : 'adapter', 'ppo')
          const plan: StageToPlan = {
            command: 'ppo',
            model: reference.base,
            lengths: questionLengths(questions),
            stage: (planner) => planner.ppo('ppo', config.n_samples, answersEach(config), config),
          }
          return { config, questions, reference, plan }
        },
        run: async ({ config, questions, reference }, { events: told, signal, print }) => {
          await using sinks = await openSinks(options, { dir: options.output, config, events: told })
          const { events } = sinks
          await using backend = openTorch(readBackendFlags({ ...options }), reference.base, {
            logDirectory: join(options.output, 'logs'),
            events,
          })
          const summary = await runPpo(
            { backend, events, signal, resume: options.resume ?? false },
            {
              dir: options.output,
              config,
              seed: options.seed,
              questions,
              start: await policyOf(backend, reference),
            },
          )
          print(render(summary, options.output), summary)
        },
      })
    })
}

function render(
  { iterations, questions, optimizer_steps: steps, first, last }: PpoSummary,
  dir: string,
): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
  return [
    `${iterations} iterations, ${questions} questions, ${steps} optimiser steps`,
    `sampled accuracy ${percent(first.accuracy)} -> ${percent(last.accuracy)}, reward ${first.reward.toFixed(3)} -> ${last.reward.toFixed(3)}`,
    `policy in ${join(dir, 'final')}`,
  ].join('\n')
}
