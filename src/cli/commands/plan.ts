import { Command } from 'commander'
import { loadConfig, parseOverride } from '../../config/load.ts'
import { pipelineSchema } from '../../config/pipeline.ts'
import { planConfig } from '../../pipelines/plan-config.ts'
import { collect } from '../collect.ts'
import { positiveInteger } from '../numbers.ts'
import { renderPlan } from '../plan-table.ts'
import { withSession } from '../session.ts'

interface PlanFlags {
  readonly set: readonly string[]
  readonly device?: string
  readonly promptTokens?: number
  readonly completionTokens?: number
  readonly json?: boolean
}

/** `elenchus plan`: what a configuration would do, and what it would take. */
export function planCommand(): Command {
  return new Command('plan')
    .description(
      'show what a configuration would run, with the peak memory and time of each stage; starts nothing',
    )
    .argument('<config>', 'YAML file')
    .option('--set <key=value>', 'override a setting', collect, [])
    .option('--device <name>', 'h100, h200, a100, l40s, rtx4090 or cpu (default: h100 where gpus are named)')
    .option('--prompt-tokens <n>', 'tokens of a prompt (default: from the data)', positiveInteger)
    .option('--completion-tokens <n>', 'tokens of a completion (default: from the data)', positiveInteger)
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  elenchus plan configs/oak.yaml\n  elenchus plan configs/abel.yaml --device a100 --set dpo.micro_batch_tokens=4096',
    )
    .action(async (path: string, flags: PlanFlags) => {
      await withSession(flags, async ({ print }) => {
        const config = await loadConfig(path, pipelineSchema, flags.set.map(parseOverride))
        const plan = await planConfig(config, flags)
        print(renderPlan(plan), plan)
      })
    })
}
