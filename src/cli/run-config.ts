import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { PipelineConfig } from '../config/pipeline.ts'
import { openBackend } from '../pipelines/open-backend.ts'
import type { PipelineContext } from '../pipelines/weights.ts'
import { redacted } from '../runs/redact.ts'
import { dryRun } from './dry-run-config.ts'
import { withSession } from './session.ts'
import { openSinks, type SinkFlags } from './sinks.ts'
import { printOutcome, type RangeFlags, readRangeFlags } from './stage-range.ts'

export interface RunFlags extends SinkFlags, RangeFlags {
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** A resolved configuration on workers of its own: runs it and prints its table, or with --dry-run its plan. */
export async function runPipelineConfig<Summary>(
  config: PipelineConfig,
  options: RunFlags,
  pipeline: {
    readonly run: (context: PipelineContext) => Promise<Summary>
    readonly render: (summary: Summary) => string
  },
): Promise<void> {
  await withSession(options, async (session) => {
    const { events: told, signal, print } = session
    const range = readRangeFlags(config, options)
    if (options.dryRun === true) {
      print(await dryRun(config), redacted(config))
      return
    }
    const logDirectory = join(config.output, 'logs')
    await mkdir(logDirectory, { recursive: true })
    await using sinks = await openSinks(options, { dir: config.output, config, events: told })
    const { events } = sinks
    await using backend = await openBackend(config, { logDirectory, events })
    await printOutcome(config, session, pipeline.run({ backend, events, signal, ...range }), pipeline.render)
  })
}
