import type { Command } from 'commander'
import type { StageGate } from '../backends/context.ts'
import type { PipelineConfig } from '../config/pipeline.ts'
import { ElenchusError } from '../errors.ts'
import { isEndOfRange, stageGate } from '../pipelines/stage-range.ts'
import type { Session } from './session.ts'

export interface RangeFlags {
  readonly from?: string
  readonly until?: string
  readonly only?: string
  readonly resume?: boolean
}

/** Which part of a pipeline runs. */
export function addRangeFlags(command: Command): Command {
  return command
    .option('--from <stage>', 'begin with this stage; those before it must have finished (implies --resume)')
    .option('--until <stage>', 'end after this stage; --resume goes on from there')
    .option('--only <stage>', 'this stage, or group of stages (iter1), and no other (implies --resume)')
}

/** The flags as what a pipeline is given. @throws ElenchusError `usage` */
export function readRangeFlags(
  config: PipelineConfig,
  { from, until, only, resume }: RangeFlags,
): { readonly resume: boolean; readonly gate?: StageGate } {
  if (only !== undefined && (from ?? until) !== undefined) {
    throw new ElenchusError('usage', '--only is --from and --until in one: give it alone.')
  }
  const range = { from: only ?? from, until: only ?? until }
  const bounded = (range.from ?? range.until) !== undefined
  return {
    resume: resume === true || range.from !== undefined,
    ...(bounded && { gate: stageGate(config, range) }),
  }
}

/** Prints the summary of a pipeline, and where to look at more; or where it ended because it was to go no further. */
export async function printOutcome<Summary>(
  { output }: PipelineConfig,
  { print, note }: Session,
  run: Promise<Summary>,
  render: (summary: Summary) => string,
): Promise<void> {
  let summary: Summary
  try {
    summary = await run
  } catch (error) {
    if (!isEndOfRange(error)) throw error
    const text = `${error.message} --resume goes on; elenchus runs show ${output} tells what is there.`
    return print(text, { output, ...error.details })
  }
  print(render(summary), summary)
  note(`every figure and trace on one page: elenchus report ${output}`)
}
