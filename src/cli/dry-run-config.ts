import { join } from 'node:path'
import { stringify as stringifyYaml } from 'yaml'
import type { PipelineConfig } from '../config/pipeline.ts'
import { stageNames } from '../pipelines/stage-range.ts'
import { planConfig } from '../pipelines/plan-config.ts'
import { redacted } from '../runs/redact.ts'
import { describeLaunch, renderLaunch, renderServers } from './dry-run.ts'
import { renderPlan } from './plan-table.ts'

/**
 * What `--dry-run` of a pipeline prints: the resolved configuration, and as comments, so that it still is one, what
 * would be launched, and the plan.
 */
export async function dryRun(config: PipelineConfig): Promise<string> {
  const model = 'path' in config.model ? config.model.path : '(the model made on the spot)'
  const launch = describeLaunch([
    ...renderLaunch(config.backend, join(config.output, 'logs')),
    ...(config.backend.engine === 'vllm' ? renderServers(config.backend, model) : []),
  ])
  const stages = `stages, for --from, --until and --only: ${stageNames(config).join(', ')}`
  const comments = ['would launch:', launch, '', renderPlan(await planConfig(config)), '', stages].join('\n')
  return `${stringifyYaml(redacted(config))}${comments.replaceAll(/^/gm, '# ').replaceAll(/^# $/gm, '#')}`
}
