import { Command } from 'commander'
import { loadConfig, parseOverride } from '../../config/load.ts'
import { pipelineSchema } from '../../config/pipeline.ts'
import { collect } from '../collect.ts'
import { runAbelConfig } from './abel.ts'
import { runOakConfig } from './oak.ts'

/** `elenchus run CONFIG`: the whole pipeline that a YAML file describes. */
export function runCommand(): Command {
  return new Command('run')
    .description('run the pipeline of a configuration file')
    .argument('<config>', 'YAML file, for example configs/tiny.oak.yaml or configs/tiny.abel.yaml')
    .option('--set <key=value>', 'override a setting, for example --set dpo.beta=0.2', collect, [])
    .option('--resume', 'continue an interrupted run')
    .option('--dry-run', 'print the resolved configuration and stop')
    .option('--json', 'print the summary as JSON, and events as JSON lines on stderr')
    .addHelpText(
      'after',
      '\nExamples:\n  elenchus run configs/tiny.oak.yaml --set seed=2\n  elenchus run configs/tiny.abel.yaml --resume',
    )
    .action(async (path: string, options: RunOptions) => {
      const config = await loadConfig(path, pipelineSchema, options.set.map(parseOverride))
      await (config.pipeline === 'oak' ? runOakConfig(config, options) : runAbelConfig(config, options))
    })
}

interface RunOptions {
  readonly set: readonly string[]
  readonly resume?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}
