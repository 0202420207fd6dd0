import { join } from 'node:path'
import { ElenchusError } from '../errors.ts'
import type { EventSink } from '../runs/events.ts'
import { readJsonl } from '../runs/jsonl.ts'
import type { MetricsSink, Row } from './sink.ts'

/** Least time between two readings of a stage's metrics. */
const EVERY_MS = 5000

/** Keeps sinks up to date with the `metrics.jsonl` of every stage that events tell of. */
export class MetricsFollower {
  readonly #sinks: readonly MetricsSink[]
  readonly #warn: (message: string) => void
  /** Directory of each stage that has begun. */
  readonly #stages = new Map<string, string>()
  readonly #readAt = new Map<string, number>()
  #working: Promise<void> = Promise.resolve()

  constructor(sinks: readonly MetricsSink[], warn: (message: string) => void) {
    this.#sinks = sinks
    this.#warn = warn
  }

  readonly events: EventSink = (event) => {
    if (event.type === 'stage_started') this.#stages.set(event.stage, event.dir)
    const due = performance.now() - (this.#readAt.get(event.stage) ?? -Infinity) >= EVERY_MS
    if (event.type === 'stage_finished' || (event.type === 'progress' && due)) this.#schedule(event.stage)
  }

  /** Reads everything once more, now that nothing is written any longer, and closes the sinks. */
  async close(): Promise<void> {
    for (const stage of this.#stages.keys()) this.#schedule(stage)
    await this.#working
    for (const sink of this.#sinks) await this.#guarded(() => sink.close())
  }

  #schedule(stage: string): void {
    this.#readAt.set(stage, performance.now())
    this.#working = this.#working.then(() => this.#update(stage))
  }

  async #update(stage: string): Promise<void> {
    const dir = this.#stages.get(stage)
    if (dir === undefined) return
    const rows = await rowsOf(join(dir, 'metrics.jsonl'))
    if (rows.length === 0) return
    for (const sink of this.#sinks) await this.#guarded(() => sink.update(stage, rows))
  }

  /** A sink that fails costs no run. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#warn(`A metrics sink failed: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

/** The rows so far; a last line that is just being written is left for the next time. */
async function rowsOf(path: string): Promise<Row[]> {
  const rows: Row[] = []
  try {
    for await (const row of readJsonl(path)) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      if (typeof row === 'object' && row !== null) rows.push(row as Row)
    }
  } catch (error) {
    if (!ElenchusError.is(error)) throw error
  }
  return rows
}
