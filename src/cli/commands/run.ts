import { Command } from 'commander'
import { loadConfig, parseOverride } from '../../config/load.ts'
import { pipelineSchema, type PipelineConfig } from '../../config/pipeline.ts'
import { setAside } from '../../pipelines/set-aside.ts'
import { collect } from '../collect.ts'
import { addEngineFlags, engineOverrides } from '../engine-flags.ts'
import { addSinkFlags, type SinkFlags } from '../sinks.ts'
import { addRangeFlags, type RangeFlags } from '../stage-range.ts'
import { runAbelConfig } from './abel.ts'
import { runOakConfig } from './oak.ts'

/** `elenchus run CONFIG`: the whole pipeline that a YAML file describes. */
export function runCommand(): Command {
  return addEngineFlags(
    addSinkFlags(
      addRangeFlags(
        new Command('run')
          .description('run the pipeline of a configuration file')
          .argument('<config>', 'YAML file, for example configs/tiny.oak.yaml or configs/tiny.abel.yaml')
          .option('--set <key=value>', 'override a setting, for example --set dpo.beta=0.2', collect, [])
          .option('--resume', 'continue an interrupted run')
          .option(
            '--set-aside',
            'move a run with other settings out of the way (to DIR.1) instead of refusing',
          )
          .option('--dry-run', 'print the resolved configuration and the plan, and stop')
          .option('--json', 'print the summary as JSON, and events as JSON lines on stderr'),
      ),
    ),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  elenchus run configs/tiny.oak.yaml --set seed=2\n  elenchus run configs/tiny.abel.yaml --resume\n  elenchus run configs/abel.yaml --until ppo',
    )
    .action(async (path: string, options: RunOptions) => {
      const overrides = [...engineOverrides({ ...options }), ...options.set.map(parseOverride)]
      const config = await loadConfig(path, pipelineSchema, overrides)
      if (options.setAside === true && options.dryRun !== true) await makeRoom(config)
      await (config.pipeline === 'oak' ? runOakConfig(config, options) : runAbelConfig(config, options))
    })
}

async function makeRoom(config: PipelineConfig): Promise<void> {
  const moved = await setAside(config)
  if (moved === undefined) return
  const differences = moved.differences.map((line) => `  ${line}\n`).join('')
  process.stderr.write(
    `${config.output} held a run with other settings; it is now ${moved.path}\n${differences}`,
  )
}

interface RunOptions extends SinkFlags, RangeFlags {
  readonly set: readonly string[]
  readonly setAside?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}
