import { throughputIn } from '../backends/throughput.ts'
import type { EventSink, Progress, RunEvent, WorkersChanged } from '../runs/events.ts'

/** How a command shows what its stages do. */
export interface ProgressDisplay {
  readonly events: EventSink
  /** A line for the person who watches; not an event. */
  note(text: string): void
  /** Takes the live lines away and stops; may be called twice. */
  end(): void
}

/** What is needed of `process.stderr`. */
export interface ProgressStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

export interface ProgressOptions {
  /** One JSON document per event and line, for programs. */
  readonly json: boolean
  /** @default process.stderr */
  readonly stream?: ProgressStream
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Milliseconds of a clock. @default Date.now */
  readonly now?: () => number
}

/** Least time between two drawings of the live lines, and between two progress documents of a stage. */
const REDRAW_MS = 100
/** Least time between two progress lines of a stage in a log. */
const LOG_MS = 10_000

/**
 * The display that fits: `json` documents; on a terminal one live line per running stage, with rate, time
 * left, key metric and what the workers do, below the lines that stay; in a log (or `TERM=dumb`) plain lines, progress every
 * ten seconds. Colours on a terminal only, and not with `NO_COLOR`.
 */
export function createProgress(options: ProgressOptions): ProgressDisplay {
  const { stream = process.stderr, env = process.env, now = Date.now } = options
  if (options.json) return jsonDisplay(stream, now)
  const live = stream.isTTY === true && env['TERM'] !== 'dumb'
  const paint: Paint =
    live && !env['NO_COLOR'] ? (code, text) => `\x1b[${code}m${text}\x1b[0m` : (_, text) => text
  return live ? liveDisplay(stream, paint, now) : logDisplay(stream, now)
}

function jsonDisplay(stream: ProgressStream, now: () => number): ProgressDisplay {
  const shown = new Map<string, number>()
  const write = (document: object): void => {
    stream.write(`${JSON.stringify({ time: new Date(now()).toISOString(), ...document })}\n`)
  }
  return {
    events(event) {
      if (event.type === 'progress' && event.done !== event.total) {
        if (now() - (shown.get(event.stage) ?? -Infinity) < REDRAW_MS) return
        shown.set(event.stage, now())
      }
      write(event)
    },
    note: (text) => write({ type: 'note', message: text }),
    end: () => undefined,
  }
}

function logDisplay(stream: ProgressStream, now: () => number): ProgressDisplay {
  const stages = new Stages(now)
  const shown = new Map<string, number>()
  const plain: Paint = (_, text) => text
  return {
    events(event) {
      const line = stages.take(event, plain)
      if (line !== undefined) stream.write(`${line}\n`)
      if (event.type !== 'progress') {
        shown.set(event.stage, now())
      } else if (now() - (shown.get(event.stage) ?? 0) >= LOG_MS) {
        shown.set(event.stage, now())
        stream.write(`${[stages.line(event.stage), ...stages.workers()].join('  ')}\n`)
      }
    },
    note: (text) => void stream.write(`${oneLine(text)}\n`),
    end: () => undefined,
  }
}

function liveDisplay(stream: ProgressStream, paint: Paint, now: () => number): ProgressDisplay {
  const stages = new Stages(now)
  let drawn = 0
  let drawnAt = -Infinity
  let timer: NodeJS.Timeout | undefined
  const erase = (): string => (drawn === 0 ? '' : `\x1b[${drawn}A\x1b[0J`)
  const draw = (above = ''): void => {
    const width = (stream.columns ?? 80) - 1
    const lines = withWorkers(stages, width).map((line) => `${line.slice(0, width)}\n`)
    stream.write(erase() + above + lines.join(''))
    drawn = lines.length
    drawnAt = now()
  }
  // Time passes also while nothing happens; the display must not keep the process alive for that.
  const tick = (): void => {
    timer ??= setInterval(() => draw(), 1000).unref()
  }
  return {
    events(event) {
      tick()
      const line = stages.take(event, paint)
      if (line !== undefined) draw(`${line}\n`)
      else if (now() - drawnAt >= REDRAW_MS) draw()
    },
    note: (text) => draw(`${oneLine(text)}\n`),
    end() {
      clearInterval(timer)
      timer = undefined
      stream.write(erase())
      drawn = 0
    },
  }
}

/** A line per running stage. The workers serve all of them: behind the last, or below it where that is too long. */
function withWorkers(stages: Stages, width: number): string[] {
  const lines = stages.running().map((stage) => stages.line(stage))
  const last = lines.pop()
  // Before the first stage there is at least this to be seen: workers take their time.
  if (last === undefined) return stages.starting() ? stages.workers() : []
  const whole = [last, ...stages.workers()].join('  ')
  if (whole.length <= width) return [...lines, whole]
  return [...lines, last, ...stages.workers().map((text) => `  ${text}`)]
}

type Paint = (code: 1 | 31 | 32 | 33, text: string) => string

interface StageState {
  readonly startedAt: number
  /** The first progress: what came before it (loading, earlier attempts) is not part of the rate. */
  first?: { readonly at: number; readonly done: number }
  latest?: Progress
}

/** Follows the events of the stages that run, and words them. */
class Stages {
  readonly #states = new Map<string, StageState>()
  #workers: WorkersChanged | undefined
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  running(): string[] {
    return [...this.#states.keys()]
  }

  /** Takes an event in; returns the line that stays on screen, if the event deserves one. */
  take(event: RunEvent, paint: Paint): string | undefined {
    const name = oneLine(event.stage)
    switch (event.type) {
      case 'stage_started':
        this.#states.set(event.stage, { startedAt: this.#now() })
        return `${paint(1, name)}: started in ${oneLine(event.dir)}`
      case 'progress': {
        const state = this.#state(event.stage)
        state.first ??= { at: this.#now(), done: event.done }
        state.latest = event
        return undefined
      }
      case 'workers':
        this.#workers = event
        return undefined
      case 'metric':
        return `${paint(1, name)}: ${describeValues(event.values)}`
      case 'warning':
        return paint(33, `${name}: warning: ${oneLine(event.message)}`)
      case 'stage_finished': {
        const line =
          event.skipped === true ? 'finished by an earlier run' : this.#finished(event.stage, event.summary)
        this.#states.delete(event.stage)
        return paint(32, `${name}: ${line}`)
      }
      case 'stage_failed':
        this.#states.delete(event.stage)
        return paint(31, `${name}: failed: ${oneLine(event.message)} (${event.code})`)
    }
  }

  /** "traces: 612/1,200 traces  51 %  6.2/s  1m 35s left  valid 0.412". */
  line(stage: string): string {
    const { startedAt, first, latest } = this.#state(stage)
    const name = oneLine(stage)
    if (first === undefined || latest === undefined) {
      return `${name}: ${describeDuration(this.#now() - startedAt)}`
    }
    const { done, total, unit, metric } = latest
    const parts = [`${name}: ${count(done)}${total === undefined ? '' : `/${count(total)}`} ${oneLine(unit)}`]
    if (total !== undefined && total > 0) parts.push(`${Math.floor((100 * done) / total)} %`)
    const rate = ((done - first.done) * 1000) / (this.#now() - first.at)
    if (rate > 0 && Number.isFinite(rate)) {
      parts.push(describeRate(rate))
      if (total !== undefined && total > done) {
        parts.push(`${describeDuration(((total - done) / rate) * 1000)} left`)
      }
    }
    if (metric !== undefined) parts.push(describeValues({ [metric.name]: metric.value }))
    return parts.join('  ')
  }

  starting(): boolean {
    return (this.#workers?.starting ?? 0) > 0
  }

  /** "2 workers: 1 busy, 1 starting", once anything is known of them. */
  workers(): string[] {
    if (this.#workers === undefined) return []
    const { starting, busy, idle, down } = this.#workers
    const states = Object.entries({ busy, idle, starting, down }).filter(([, number]) => number > 0)
    const all = starting + busy + idle + down
    return [
      `${all} ${all === 1 ? 'worker' : 'workers'}: ${states.map(([name, number]) => `${number} ${name}`).join(', ')}`,
    ]
  }

  #state(stage: string): StageState {
    let state = this.#states.get(stage)
    if (state === undefined) this.#states.set(stage, (state = { startedAt: this.#now() }))
    return state
  }

  #finished(stage: string, summary: unknown): string {
    const { startedAt, latest } = this.#state(stage)
    const what = latest === undefined ? '' : `, ${count(latest.done)} ${oneLine(latest.unit)}`
    return `finished in ${describeDuration(this.#now() - startedAt)}${what}${describeThroughput(summary)}`
  }
}

function describeValues(values: Readonly<Record<string, number>>): string {
  return Object.entries(values)
    .map(
      ([name, value]) => `${oneLine(name)} ${Number.isInteger(value) ? count(value) : value.toPrecision(3)}`,
    )
    .join(', ')
}

/** ", generated 12,345 tokens/s (MFU 31 %), trained ...", or nothing. */
function describeThroughput(summary: unknown): string {
  const throughput = throughputIn(summary)
  return (['generated', 'trained', 'scored'] as const)
    .map((kind) => {
      const { tokens_per_second: rate = null, mfu = null } = throughput?.[kind] ?? {}
      if (rate === null) return ''
      return `, ${kind} ${count(Math.round(rate))} tokens/s${mfu === null ? '' : ` (MFU ${(100 * mfu).toFixed(0)} %)`}`
    })
    .join('')
}

/** Below one per second the inverse reads better. */
function describeRate(perSecond: number): string {
  if (perSecond < 1) return `${(1 / perSecond).toFixed(1)} s each`
  return `${perSecond < 100 ? perSecond.toFixed(1) : count(Math.round(perSecond))}/s`
}

/** "0.4s", "12s", "3m 05s", "2h 07m". */
export function describeDuration(ms: number): string {
  if (ms < 10_000) return `${(Math.max(0, ms) / 1000).toFixed(1)}s`
  const seconds = Math.round(ms / 1000)
  const two = (value: number): string => String(value).padStart(2, '0')
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`
  return `${Math.floor(seconds / 3600)}h ${two(Math.floor((seconds % 3600) / 60))}m`
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** Without line breaks and control characters: texts of models and files must not steer the terminal. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
}
