import * as z from 'zod'
import { median } from './conditions.ts'

export const eventSchema = z.object({
  type: z.string(),
  stage: z.string(),
  done: z.number().optional(),
  summary: z.unknown().optional(),
})
/** What a run says, and when in seconds it was heard. */
export type Event = z.infer<typeof eventSchema> & { readonly at: number }

const timingSchema = z.object({
  wall_seconds: z.number(),
  start_seconds: z.number(),
  worker_seconds: z.number(),
  wire_seconds: z.number(),
  typescript_seconds: z.number(),
  workers_busy: z.number().nullable(),
})
type Timing = z.infer<typeof timingSchema>

export interface Row extends Timing {
  readonly stage: string
  /** Share of the wall time after start-up in which no worker served. */
  readonly orchestration: number
}

function rowOf(stage: string, timing: Timing): Row {
  const after = timing.wall_seconds - timing.start_seconds
  return { stage, ...timing, orchestration: 1 - timing.worker_seconds / after }
}

export function rowsOf(events: readonly Event[]): Row[] {
  return events.flatMap(({ type, stage, summary }) => {
    if (type !== 'stage_finished') return []
    const parsed = z.object({ timing: timingSchema }).safeParse(summary)
    return parsed.success ? [rowOf(stage, parsed.data.timing)] : []
  })
}

/** A stage within a stage, as the coherence samples of an evaluation, counts once: in the outer one. */
export function totalOf(rows: readonly Row[]): Row {
  const outer = rows.filter(({ stage }) => !rows.some((other) => stage.startsWith(`${other.stage}/`)))
  const sum = (of: (row: Row) => number): number => outer.reduce((total, row) => total + of(row), 0)
  const busy = sum((row) => row.worker_seconds * (row.workers_busy ?? 0))
  return rowOf('all stages', {
    wall_seconds: sum((row) => row.wall_seconds),
    start_seconds: sum((row) => row.start_seconds),
    worker_seconds: sum((row) => row.worker_seconds),
    wire_seconds: sum((row) => row.wire_seconds),
    typescript_seconds: sum((row) => row.typescript_seconds),
    workers_busy: busy / sum((row) => row.worker_seconds),
  })
}

/** Medians over runs of the same stages, each figure by itself. */
export function mediansOf(runs: readonly (readonly Row[])[]): Row[] {
  const [first = []] = runs
  return first.map(({ stage }) => {
    const rows = runs.flatMap((run) => run.filter((row) => row.stage === stage))
    const of = (figure: (row: Row) => number): number => median(rows.map(figure))
    return {
      stage,
      wall_seconds: of((row) => row.wall_seconds),
      start_seconds: of((row) => row.start_seconds),
      worker_seconds: of((row) => row.worker_seconds),
      wire_seconds: of((row) => row.wire_seconds),
      typescript_seconds: of((row) => row.typescript_seconds),
      workers_busy: rows.every((row) => row.workers_busy === null)
        ? null
        : of((row) => row.workers_busy ?? 0),
      orchestration: of((row) => row.orchestration),
    }
  })
}

export interface Switch {
  /** The stage that samples, and the one that trains on it. */
  readonly from: string
  readonly to: string
  readonly seconds: number
}

/** Seconds from the last sample that a stage reported to the first optimiser step of DPO, reference scoring left out. */
export function switchesOf(events: readonly Event[]): Switch[] {
  const found: Switch[] = []
  for (const stage of new Set(events.map((event) => event.stage))) {
    if (!stage.endsWith('dpo')) continue
    const first = events.find((event) => event.stage === stage && event.type === 'progress')
    const before = events.filter(
      ({ at, type }) => type === 'progress' && first !== undefined && at < first.at,
    )
    const last = before.findLast((event) => event.stage !== stage)
    const finished = events.find((event) => event.stage === stage && event.type === 'stage_finished')
    const reference = z.object({ reference_seconds: z.number() }).safeParse(finished?.summary)
    if (first === undefined || last === undefined || !reference.success) continue
    const seconds = first.at - last.at - reference.data.reference_seconds
    found.push({ from: last.stage, to: stage, seconds })
  }
  return found
}
