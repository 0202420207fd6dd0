import { Command } from 'commander'
import { loadConfig, parseOverride, type Override } from '../../config/load.ts'
import { oakSchema, type OakConfig } from '../../config/oak.ts'
import { ElenchusError } from '../../errors.ts'
import { runOak } from '../../pipelines/oak/run.ts'
import { parseGpus } from '../backend.ts'
import { packageFile } from '../package-files.ts'
import { renderOakTable } from '../oak-table.ts'
import { addEngineFlags, engineOverrides } from '../engine-flags.ts'
import { type RunFlags, runPipelineConfig } from '../run-config.ts'
import { addSinkFlags, type SinkFlags } from '../sinks.ts'
import { addRangeFlags, type RangeFlags } from '../stage-range.ts'
import { collect } from '../collect.ts'

interface OakOptions extends SinkFlags, RangeFlags {
  readonly config?: string
  readonly model?: string
  readonly trainData?: readonly string[]
  readonly heldOutData?: readonly string[]
  readonly evaluateAlso?: readonly string[]
  readonly output?: string
  readonly seed?: string
  readonly set: readonly string[]
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** `elenchus oak 2 1500 "0,1,2,3"`: the old script's three arguments, on top of configs/oak.yaml. */
export function oakCommand(): Command {
  return addEngineFlags(
    addSinkFlags(
      addRangeFlags(
        new Command('oak')
          .description('run the OaK loop: SFT, then [traces, judge, pairs, DPO] repeated, then evaluation')
          .argument('[iterations]', 'iterations after SFT')
          .argument('[problems]', 'training problems per iteration')
          .argument('[gpus]', 'devices, for example "0,1,2,3"')
          .option('--config <file>', 'base configuration (default: configs/oak.yaml)')
          .option('--model <path>', 'folder or hub name of the base model')
          .option('--train-data <files...>', 'problem files for SFT and traces')
          .option(
            '--held-out-data <files...>',
            'problem files for the table; without it, a fifth of --train-data',
          )
          .option('--evaluate-also <name=file...>', 'further evaluation sets')
          .option('--output <dir>', 'run directory')
          .option('--seed <n>', 'seed of everything random')
          .option('--set <key=value>', 'override any other setting', collect, [])
          .option('--resume', 'continue an interrupted run')
          .option('--dry-run', 'print the resolved configuration and the plan, and stop')
          .option('--json', 'print the summary as JSON, and events as JSON lines on stderr'),
      ),
    ),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  elenchus oak 2 1500 "0,1,2,3"\n  elenchus oak --config configs/tiny.oak.yaml',
    )
    .action(async (iterations, problems, gpus, options: OakOptions) => {
      const overrides = [
        ...positional('iterations', 'iterations', iterations),
        ...positional('problems', 'traces.num_problems', problems),
        ...(typeof gpus === 'string' ? [override('gpus', 'backend.gpus', parseGpus(gpus))] : []),
        ...flagOverrides(options),
        ...engineOverrides({ ...options }),
        ...options.set.map(parseOverride),
      ]
      const path = options.config ?? packageFile('configs/oak.yaml')
      await runOakConfig(await loadConfig(path, oakSchema, overrides), options)
    })
}

function positional(name: string, key: string, value: unknown): Override[] {
  return typeof value === 'string' ? [override(name, key, Number(value))] : []
}

function override(source: string, key: string, value: unknown): Override {
  return { path: key.split('.'), value, source }
}

function flagOverrides(options: OakOptions): Override[] {
  const overrides: Override[] = []
  if (options.model !== undefined) overrides.push(override('--model', 'model', { path: options.model }))
  if (options.output !== undefined) overrides.push(override('--output', 'output', options.output))
  if (options.seed !== undefined) overrides.push(override('--seed', 'seed', Number(options.seed)))
  if (options.trainData !== undefined) {
    // Without a held-out file, a fifth of the training problems is kept apart.
    const slice = options.heldOutData === undefined ? [0, 0.8] : [0, 1]
    const source = { files: options.trainData, slice }
    overrides.push(
      override('--train-data', 'data.sft', source),
      override('--train-data', 'data.train', source),
    )
    if (options.heldOutData === undefined) {
      overrides.push(override('--train-data', 'data.held_out', { files: options.trainData, slice: [0.8, 1] }))
    }
  }
  if (options.heldOutData !== undefined) {
    overrides.push(override('--held-out-data', 'data.held_out', { files: options.heldOutData }))
  }
  for (const pair of options.evaluateAlso ?? []) {
    const [name, file] = splitPair(pair)
    overrides.push(override('--evaluate-also', `data.evaluate_also.${name}`, { files: [file] }))
  }
  return overrides
}

function splitPair(pair: string): [string, string] {
  const equals = pair.indexOf('=')
  if (equals < 1) {
    throw new ElenchusError(
      'usage',
      `--evaluate-also ${pair}: expected NAME=FILE, for example 3hop=3hop.json`,
    )
  }
  return [pair.slice(0, equals), pair.slice(equals + 1)]
}

/** Runs a resolved configuration and prints its table; shared by `oak` and `run`. */
export function runOakConfig(config: OakConfig, options: RunFlags): Promise<void> {
  return runPipelineConfig(config, options, {
    run: (context) => runOak(context, config),
    render: renderOakTable,
  })
}
