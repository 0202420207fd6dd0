/** What a run tells while it works; for the command line, for logs, and for embedders. Plain JSON. */
export type RunEvent =
  | StageStarted
  | Progress
  | WorkersChanged
  | MetricReported
  | Warning
  | StageFinished
  | StageFailed

interface StageEvent {
  /** Names the stage within its run: "dpo", "iter2/traces". */
  readonly stage: string
}

export interface StageStarted extends StageEvent {
  readonly type: 'stage_started'
  readonly dir: string
}

export interface Progress extends StageEvent {
  readonly type: 'progress'
  /** Units done, those of earlier attempts included. */
  readonly done: number
  /** Absent if nobody knows. */
  readonly total?: number
  /** What is counted, in the plural: "steps", "traces". */
  readonly unit: string
  /** The one number worth watching. */
  readonly metric?: { readonly name: string; readonly value: number }
}

/** How many workers of ours are in which state; told when it has changed, once a second at most. */
export interface WorkersChanged extends StageEvent {
  readonly type: 'workers'
  /** Workers outlive stages. */
  readonly stage: 'backend'
  /** Being started, for the first time or again. */
  readonly starting: number
  readonly busy: number
  readonly idle: number
  /** Ended, and not started again so far. */
  readonly down: number
}

/** Numbers of the stage as a whole, such as an evaluation's accuracy. */
export interface MetricReported extends StageEvent {
  readonly type: 'metric'
  readonly values: Readonly<Record<string, number>>
  readonly step?: number
}

export interface Warning extends StageEvent {
  readonly type: 'warning'
  readonly message: string
}

export interface StageFinished extends StageEvent {
  readonly type: 'stage_finished'
  readonly summary: unknown
  /** It had been finished by an earlier run; nothing was done. */
  readonly skipped?: boolean
}

export interface StageFailed extends StageEvent {
  readonly type: 'stage_failed'
  readonly code: string
  readonly message: string
  readonly hint?: string
}

/** Takes events; must return at once and must not throw. */
export type EventSink = (event: RunEvent) => void

/** One sink that passes each event to several, in order. */
export function fanOut(...sinks: readonly EventSink[]): EventSink {
  return (event) => {
    for (const sink of sinks) sink(event)
  }
}

/**
 * Events as an async iterable, for embedders:
 *
 *     const events = new EventStream()
 *     void runOak({ ..., events: events.sink }).finally(() => events.end())
 *     for await (const event of events) ...
 *
 * One consumer. A slow one holds nothing up and fills no memory: of a stage's progress, and of the workers'
 * states, only the latest wait; everything else is kept.
 */
export class EventStream implements AsyncIterable<RunEvent> {
  #waiting: RunEvent[] = []
  #ended = false
  #wake: (() => void) | undefined

  readonly sink: EventSink = (event) => {
    if (this.#ended) return
    if (event.type === 'progress' || event.type === 'workers') {
      // Superseded only if nothing else of that stage came between, so that order stays true.
      const last = this.#waiting.findLastIndex((waiting) => waiting.stage === event.stage)
      if (this.#waiting[last]?.type === event.type) this.#waiting.splice(last, 1)
    }
    this.#waiting.push(event)
    this.#wake?.()
  }

  /** No more events; the loop over the stream ends after those that wait. */
  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RunEvent, void> {
    for (;;) {
      const event = this.#waiting.shift()
      if (event !== undefined) {
        yield event
      } else if (this.#ended) {
        return
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }
}
