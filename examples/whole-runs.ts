/**
 * Whole pipelines from a program: start one, follow its events, continue it, read what it has left.
 */
import {
  type AbelConfig,
  abelSchema,
  type AbelSummary,
  ElenchusError,
  ERROR_CODES,
  type ErrorCode,
  type EventSink,
  EventStream,
  fanOut,
  loadConfig,
  logEvents,
  type Logger,
  type LogMethod,
  type OakConfig,
  oakSchema,
  type OakSummary,
  type OpenedRun,
  openRun,
  type OpenRunOptions,
  parseOverride,
  type PipelineConfig,
  type PipelineRun,
  pipelineSchema,
  runAbel,
  type RunEvent,
  runOak,
  runPipeline,
  type RunPipelineOptions,
  type SummaryOf,
  type TorchBackend,
} from 'elenchus'

/** A configuration file with some settings changed, as `--set` does. */
export function configured(path: string, settings: readonly string[]): Promise<PipelineConfig> {
  return loadConfig(path, pipelineSchema, settings.map(parseOverride))
}

/** Runs, or continues, a pipeline on workers of its own; `onEvent` hears of everything. */
export async function follow<Config extends PipelineConfig>(
  config: Config,
  onEvent: (event: RunEvent) => void,
  options: RunPipelineOptions = {},
): Promise<SummaryOf<Config>> {
  const run: PipelineRun<SummaryOf<Config>> = runPipeline(config, { resume: true, ...options })
  for await (const event of run) onEvent(event)
  return run.summary
}

/** The same on a backend of yours, which stays open: events go to a log and, as a stream, to a reader. */
export async function onMyWorkers(
  backend: TorchBackend,
  config: PipelineConfig,
  log: LogMethod,
): Promise<{ summary: OakSummary | AbelSummary; stages: string[] }> {
  const logger: Logger = { trace: log, debug: () => undefined, info: log, warn: log, error: log, fatal: log }
  const stream = new EventStream()
  const events: EventSink = fanOut(stream.sink, logEvents(logger))
  const context = { backend, events, resume: true }
  const running = (isOak(config) ? runOak(context, config) : runAbel(context, config)).finally(() =>
    stream.end(),
  )
  const stages: string[] = []
  for await (const event of stream) if (event.type === 'stage_finished') stages.push(event.stage)
  return { summary: await running, stages }
}

function isOak(config: PipelineConfig): config is OakConfig {
  return config.pipeline === 'oak'
}

/** One pipeline's own settings, with all their defaults. */
export async function ownSettings(path: string): Promise<OakConfig | AbelConfig> {
  return path.includes('abel') ? loadConfig(path, abelSchema) : loadConfig(path, oakSchema)
}

/** What a run has left, finished or not: its summary, and its report as one HTML page. A `signal` ends the reading. */
export async function leftBy(
  dir: string,
  options: OpenRunOptions = {},
): Promise<{ finished: boolean; summary: unknown; page: string }> {
  const run: OpenedRun = await openRun(dir, options)
  return { finished: run.finished, summary: run.summary, page: await run.reportPage() }
}

/** What to do about a failure: every one has a code, a hint, and says whether the same call may succeed later. */
export function advice(error: unknown): string {
  if (!ElenchusError.is(error)) throw error
  const code: ErrorCode = error.code
  return `${code}: ${error.hint} (${error.retryable ? 'try again' : 'do not try again'}; exit ${ERROR_CODES[code].exit})`
}
