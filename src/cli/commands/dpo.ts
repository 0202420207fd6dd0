import { join } from 'node:path'
import { Command } from 'commander'
import {
  dpoSchema,
  preferencesSchema,
  type DpoConfig,
  type PreferencesConfig,
} from '../../config/training.ts'
import { ElenchusError } from '../../errors.ts'
import { type ModelReference, resolveModel } from '../../pipelines/model-reference.ts'
import { pairLengths, plannedPairs, type StageToPlan } from '../../pipelines/plan-stage.ts'
import { preferencePairSchema, type PreferencePair } from '../../preferences/pair.ts'
import { explainPairs } from '../../preferences/traces.ts'
import { fingerprintFile } from '../../runs/fingerprint.ts'
import { readJsonl } from '../../runs/jsonl.ts'
import { runDpo } from '../../training/dpo.ts'
import { preparePairs, previewPairs } from '../../training/pairs.ts'
import { addBackendFlags, openTorch, policyOf, readBackendFlags } from '../backend.ts'
import { addSchemaFlags, readSchemaFlags } from '../flags.ts'
import { withBackendSession } from '../dry-run.ts'
import type { Session } from '../session.ts'
import { addSinkFlags, openSinks, type SinkFlags } from '../sinks.ts'
import { addModelFlags, addRunFlags, type ModelOptions, type RunOptions } from './shared.ts'

interface DpoOptions extends RunOptions, ModelOptions, SinkFlags {
  readonly traces?: string
  readonly pairs?: string
  readonly pairMode?: string
  readonly dryRun?: boolean
}

/** The guide's settings; each is a flag. */
const GUIDE_DEFAULTS = { learning_rate: 5e-6, batch_size: 4, gradient_accumulation_steps: 4 }

/** `elenchus dpo`: stage 2 of the old guide, `train_dpo_from_traces.py`. */
export function dpoCommand(): Command {
  const command = new Command('dpo')
    .description('train on preference pairs, built from traces or given')
    .option('--traces <file>', 'traces.jsonl of the policy that is trained')
    .option('--pairs <file>', 'preference pairs, instead of --traces')
    .option('--pair-mode <mode>', 'how traces are paired: best-vs-rest (default), all, step')
  addModelFlags(command)
  addSchemaFlags(command, dpoSchema)
  addSchemaFlags(command, preferencesSchema, ['mode'])
  addBackendFlags(command)
  return addSinkFlags(addRunFlags(command))
    .addHelpText(
      'after',
      '\nExample:\n  elenchus dpo --traces outputs/traces/run1/traces.jsonl --model outputs/sft/run1/final \\\n    --output outputs/dpo/run1 --num-epochs 1 --batch-size 2 --beta 0.1',
    )
    .action(async (options: DpoOptions) => {
      await withBackendSession(options, {
        prepare: async (session) => {
          const config = readSchemaFlags(dpoSchema, { ...options }, GUIDE_DEFAULTS)
          const preferences = readSchemaFlags(preferencesSchema, { ...options, mode: options.pairMode })
          const reference = await resolveModel(options)
          const given = await pairsOf(options, preferences, session)
          const { pairs } = given
          const plan: StageToPlan = {
            command: 'dpo',
            model: reference.base,
            lengths: pairLengths(pairs),
            stage: (planner) => planner.dpo('dpo', plannedPairs(pairs), config),
          }
          return { config, reference, given, plan }
        },
        run: ({ config, reference, given }, session) => train(options, config, reference, given, session),
      })
    })
}

interface Pairs {
  readonly pairs: readonly PreferencePair[]
  readonly path: string
}

async function pairsOf(
  options: DpoOptions,
  preferences: PreferencesConfig,
  { events }: Session,
): Promise<Pairs> {
  const { traces, pairs: path } = options
  if (traces !== undefined && path === undefined) {
    const pairsPath = join(options.output, 'preference_pairs.jsonl')
    if (options.dryRun === true) {
      return { pairs: await previewPairs({ tracesPath: traces, config: preferences }), path: pairsPath }
    }
    const prepared = await preparePairs({
      tracesPath: traces,
      pairsPath,
      config: preferences,
    })
    const { report } = prepared
    events({
      type: 'metric',
      stage: 'pairs',
      values: { traces: report.traces, pairs: report.pairs, problems_with_pairs: report.problems_with_pairs },
    })
    // Few pairs deserve the same explanation as none.
    if (report.problems_with_pairs < report.problems / 10) {
      for (const message of explainPairs(report, preferences))
        events({ type: 'warning', stage: 'pairs', message })
    }
    return prepared
  }
  if (traces === undefined && path !== undefined) {
    const pairs: PreferencePair[] = []
    for await (const pair of readJsonl(path, preferencePairSchema)) pairs.push(pair)
    if (pairs.length === 0) {
      throw new ElenchusError('no_pairs', `${path} holds no preference pair.`, {
        hint: 'Give another file, or --traces to have pairs built.',
      })
    }
    return { pairs, path }
  }
  throw new ElenchusError('usage', 'Give either --traces or --pairs.')
}

async function train(
  options: DpoOptions,
  config: DpoConfig,
  reference: ModelReference,
  { pairs, path }: Pairs,
  { events: told, signal, print }: Session,
): Promise<void> {
  await using sinks = await openSinks(options, { dir: options.output, config, events: told })
  const { events } = sinks
  await using backend = openTorch(readBackendFlags({ ...options }), reference.base, {
    logDirectory: join(options.output, 'logs'),
    events,
  })
  const summary = await runDpo(
    { backend, events, signal, resume: options.resume ?? false },
    {
      dir: options.output,
      config,
      seed: options.seed,
      pairs,
      dataFingerprint: await fingerprintFile(path),
      start: await policyOf(backend, reference),
    },
  )
  const losses = `loss ${summary.first_loss?.toFixed(4) ?? '-'} -> ${summary.last_loss?.toFixed(4) ?? '-'}`
  print(
    `${summary.steps} steps on ${summary.pairs} pairs (${summary.trajectories} trajectories), ${losses}\nadapter in ${join(options.output, 'final')}`,
    summary,
  )
}
