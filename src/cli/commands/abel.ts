import { Command } from 'commander'
import { abelSchema, type AbelConfig } from '../../config/abel.ts'
import { loadConfig, parseOverride, type Override } from '../../config/load.ts'
import { runAbel } from '../../pipelines/abel/run.ts'
import { renderAbelTable } from '../abel-table.ts'
import { collect } from '../collect.ts'
import { nonNegativeInteger, positiveInteger } from '../numbers.ts'
import { packageFile } from '../package-files.ts'
import { addEngineFlags, engineOverrides } from '../engine-flags.ts'
import { type RunFlags, runPipelineConfig } from '../run-config.ts'
import { addSinkFlags, type SinkFlags } from '../sinks.ts'
import { addRangeFlags, type RangeFlags } from '../stage-range.ts'

interface AbelOptions extends SinkFlags, RangeFlags {
  readonly config?: string
  readonly baseModel?: string
  readonly dataPath?: string
  readonly heldOutData?: string
  readonly platinumOverlay?: string
  readonly nGpus?: number
  readonly output?: string
  readonly seed?: number
  readonly set: readonly string[]
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** `elenchus abel`: the old guide's five scripts as one command, on top of configs/abel.yaml. */
export function abelCommand(): Command {
  return addEngineFlags(
    addSinkFlags(
      addRangeFlags(
        new Command('abel')
          .description('run the Abel pipeline: PPO, Regime W rollouts, preference pairs, DPO, evaluation')
          .option('--config <file>', 'base configuration (default: configs/abel.yaml)')
          .option('--base-model <path>', 'folder or hub name of the base model')
          .option('--data-path <file>', "training questions (GSM8K's train file)")
          .option('--held-out-data <file>', 'questions of the table (GSM8K Platinum)')
          .option('--platinum-overlay <file>', "where --held-out-data is GSM8K's test file")
          .option('--n-gpus <n>', 'the first n devices', positiveInteger)
          .option('--output <dir>', 'run directory')
          .option('--seed <n>', 'seed of everything random', nonNegativeInteger)
          .option('--set <key=value>', 'override any other setting', collect, [])
          .option('--resume', 'continue an interrupted run')
          .option('--dry-run', 'print the resolved configuration and the plan, and stop')
          .option('--json', 'print the summary as JSON, and events as JSON lines on stderr'),
      ),
    ),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  elenchus abel --n-gpus 8\n  elenchus abel --config configs/tiny.abel.yaml',
    )
    .action(async (options: AbelOptions) => {
      const path = options.config ?? packageFile('configs/abel.yaml')
      const overrides = [
        ...flagOverrides(options),
        ...engineOverrides({ ...options }),
        ...options.set.map(parseOverride),
      ]
      await runAbelConfig(await loadConfig(path, abelSchema, overrides), options)
    })
}

function flagOverrides(options: AbelOptions): Override[] {
  const { baseModel, dataPath, heldOutData, platinumOverlay, nGpus, output, seed } = options
  const gpus = nGpus === undefined ? undefined : Array.from({ length: nGpus }, (_, index) => index)
  const entries: readonly (readonly [string, string, unknown])[] = [
    ['--base-model', 'model', baseModel && { path: baseModel }],
    ['--data-path', 'data.train', dataPath && { files: [dataPath] }],
    ['--held-out-data', 'data.held_out', heldOutData && { files: [heldOutData] }],
    ['--platinum-overlay', 'data.held_out.platinum_overlay', platinumOverlay],
    ['--n-gpus', 'backend.gpus', gpus],
    ['--output', 'output', output],
    ['--seed', 'seed', seed],
  ]
  return entries.flatMap(([source, key, value]) =>
    value === undefined ? [] : { path: key.split('.'), value, source },
  )
}

/** Runs a resolved configuration and prints its table; shared by `abel` and `run`. */
export function runAbelConfig(config: AbelConfig, options: RunFlags): Promise<void> {
  return runPipelineConfig(config, options, {
    run: (context) => runAbel(context, config),
    render: renderAbelTable,
  })
}
