import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { AbelConfig } from '../config/abel.ts'
import type { OakConfig } from '../config/oak.ts'
import type { PipelineConfig } from '../config/pipeline.ts'
import { ElenchusError } from '../errors.ts'
import { runAbel } from '../pipelines/abel/run.ts'
import type { AbelSummary } from '../pipelines/abel/summary.ts'
import { runOak } from '../pipelines/oak/run.ts'
import type { OakSummary } from '../pipelines/oak/summary.ts'
import { openBackend } from '../pipelines/open-backend.ts'
import type { PipelineContext } from '../pipelines/weights.ts'
import { EventStream, fanOut, type RunEvent } from '../runs/events.ts'
import { type Logger, logEvents } from './logger.ts'

export interface RunPipelineOptions {
  /** Continue an interrupted run; a finished one gives its summary again. @default false */
  readonly resume?: boolean
  /** Stops the run at the next safe point; it can be resumed. */
  readonly signal?: AbortSignal
  /** Gets every event as a line. */
  readonly logger?: Logger
  /** A backend of yours, which stays open; without one, workers are started as `config.backend` says. */
  readonly backend?: PipelineContext['backend']
}

export type SummaryOf<Config extends PipelineConfig> = Config extends OakConfig
  ? OakSummary
  : Config extends AbelConfig
    ? AbelSummary
    : never

/**
 * A run that is under way. Iterating gives its events as they come, for one reader, and fails as the run fails;
 * nobody has to.
 */
export interface PipelineRun<Summary> extends AsyncIterable<RunEvent> {
  /** The run's directory. */
  readonly dir: string
  /** Rejects with an `ElenchusError` where the run fails, `cancelled` after `cancel()`. */
  readonly summary: Promise<Summary>
  /** Stops at the next safe point. What was written is kept, and `resume` continues it. */
  cancel(): void
}

/** Starts a whole pipeline. Prints nothing, ends no process, listens to no signal. */
export function runPipeline<Config extends PipelineConfig>(
  config: Config,
  options?: RunPipelineOptions,
): PipelineRun<SummaryOf<Config>>
export function runPipeline(
  config: PipelineConfig,
  options: RunPipelineOptions = {},
): PipelineRun<OakSummary | AbelSummary> {
  const events = new EventStream()
  const own = new AbortController()
  const { signal, logger } = options
  const context: Omit<PipelineContext, 'backend'> = {
    events: logger === undefined ? events.sink : fanOut(events.sink, logEvents(logger)),
    resume: options.resume ?? false,
    signal: signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]),
  }
  const summary = runWith(context, config, options.backend)
  // Whoever only iterates must not be ended by a rejection that nobody handles.
  summary.then(
    () => events.end(),
    () => events.end(),
  )
  return {
    dir: config.output,
    summary,
    cancel: () =>
      own.abort(new ElenchusError('cancelled', 'The run was cancelled. What was written is kept.')),
    async *[Symbol.asyncIterator]() {
      yield* events
      await summary
    },
  }
}

async function runWith(
  context: Omit<PipelineContext, 'backend'>,
  config: PipelineConfig,
  given: PipelineContext['backend'] | undefined,
): Promise<OakSummary | AbelSummary> {
  if (given !== undefined) return run({ ...context, backend: given }, config)
  const logDirectory = join(config.output, 'logs')
  await mkdir(logDirectory, { recursive: true })
  await using backend = await openBackend(config, { logDirectory, events: context.events })
  return await run({ ...context, backend }, config)
}

function run(context: PipelineContext, config: PipelineConfig): Promise<OakSummary | AbelSummary> {
  return config.pipeline === 'oak' ? runOak(context, config) : runAbel(context, config)
}
