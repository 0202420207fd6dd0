import { readManifest } from '../runs/manifest.ts'
import { openStage, type StageRun, type StageSpec } from '../runs/stage.ts'
import type { BackendUsage, ModelBackend } from './backend.ts'
import type { StageContext } from './context.ts'
import { type StageThroughput, throughputOf } from './throughput.ts'

/** Where the wall time of a stage went, of the attempt that finished it. Four parts add up to `wall_seconds`. */
export interface StageTiming {
  readonly wall_seconds: number
  /** Starting workers, their imports included. */
  readonly start_seconds: number
  /** At least one worker served a request. */
  readonly worker_seconds: number
  /** Requests were under way, and no worker served any: encoding and transport. */
  readonly wire_seconds: number
  /** No request was under way: everything of this side that overlaps with nothing. */
  readonly typescript_seconds: number
  /** Share of `worker_seconds` that a worker served, 0..1, the mean over workers; null where none served. */
  readonly workers_busy: number | null
}

/** Added to a stage's own summary. Null of a backend that does not tell how its time is spent, or what it did. */
export interface Timed {
  readonly timing: StageTiming | null
  readonly throughput: StageThroughput | null
}

/** A summary as its stage makes it. */
export type Untimed<Summary extends Timed> = Omit<Summary, keyof Timed>

/**
 * A stage from its directory to its summary: gives the stored one where it is finished, otherwise does the work, measures
 * where the time goes, and marks it finished.
 *
 * @throws ElenchusError those of the gate, of {@link openStage}, and of the work.
 */
export async function runStage<S extends object>(
  context: StageContext,
  spec: Omit<StageSpec, 'resume'>,
  work: (run: StageRun<S & Timed>) => Promise<S>,
): Promise<S & Timed> {
  const { stage, dir } = spec
  if (context.gate !== undefined && (await readManifest(dir))?.state !== 'finished') context.gate(stage)
  await using run = await openStage<S & Timed>({ ...spec, resume: context.resume })
  if (run.summary !== undefined) {
    context.events({ type: 'stage_finished', stage, summary: run.summary, skipped: true })
    return run.summary
  }
  context.events({ type: 'stage_started', stage, dir })
  const clock = new StageClock(context.backend)
  const summary = { ...(await work(run)), ...clock.read() }
  await run.finish(summary)
  context.events({ type: 'stage_finished', stage, summary })
  return summary
}

class StageClock {
  readonly #backend: ModelBackend
  readonly #before: BackendUsage | undefined
  readonly #began = performance.now()

  constructor(backend: ModelBackend) {
    this.#backend = backend
    this.#before = backend.usage?.()
  }

  read(): Timed {
    const [before, after] = [this.#before, this.#backend.usage?.()]
    if (before === undefined || after === undefined) return { timing: null, throughput: null }
    return { timing: this.#timing(before, after), throughput: throughputOf(before, after) }
  }

  #timing(before: BackendUsage, after: BackendUsage): StageTiming {
    const wall = (performance.now() - this.#began) / 1000
    // Sums of differences: never negative but for rounding.
    const start = Math.max(0, after.startSeconds - before.startSeconds)
    const requests = after.requestSeconds - before.requestSeconds
    // Told in two clocks: a worker's own, and that of its requests.
    const worker = Math.min(after.workerSeconds - before.workerSeconds, requests)
    const mean = after.meanWorkerSeconds - before.meanWorkerSeconds
    return {
      wall_seconds: wall,
      start_seconds: start,
      worker_seconds: worker,
      wire_seconds: requests - worker,
      typescript_seconds: Math.max(0, wall - start - requests),
      workers_busy: worker > 0 ? Math.min(1, mean / worker) : null,
    }
  }
}
