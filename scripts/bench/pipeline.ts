import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import * as z from 'zod'

/**
 * How much of a pipeline's wall time is not work of a worker, stage by stage; and how long it takes from the last sampled
 * token to the first optimiser step, where the workers stay, beside the start of new ones:
 *   npm run bench:pipeline [-- --config configs/tiny.oak.yaml ...] [--set key=value ...] [--output DIR] [--json]
 * The runs are kept under DIR, if it is given.
 */
const { values } = parseArgs({
  options: {
    config: { type: 'string', multiple: true, default: ['configs/tiny.oak.yaml', 'configs/tiny.abel.yaml'] },
    set: { type: 'string', multiple: true, default: [] },
    output: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const root = resolve(import.meta.dirname, '../../..')

const timingSchema = z.object({
  wall_seconds: z.number(),
  start_seconds: z.number(),
  worker_seconds: z.number(),
  wire_seconds: z.number(),
  typescript_seconds: z.number(),
  workers_busy: z.number().nullable(),
})
type Timing = z.infer<typeof timingSchema>
const eventSchema = z.object({
  type: z.string(),
  stage: z.string(),
  done: z.number().optional(),
  summary: z.unknown().optional(),
})
type Event = z.infer<typeof eventSchema> & { readonly at: number }

async function eventsOf(config: string, output: string): Promise<Event[]> {
  const sets = [`output=${output}`, ...values.set].flatMap((set) => ['--set', set])
  const args = [join(root, 'dist/cli/main.js'), 'run', resolve(root, config), '--json', ...sets]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const events: Event[] = []
  let rest = ''
  createInterface(child.stderr).on('line', (line) => {
    const parsed = line.startsWith('{') ? eventSchema.safeParse(JSON.parse(line)) : null
    if (parsed?.success === true) events.push({ ...parsed.data, at: performance.now() / 1000 })
    else rest = `${rest}${line}\n`
  })
  const [code]: unknown[] = await once(child, 'close')
  if (code !== 0) throw new Error(`${config} ended with ${String(code)}:\n${rest}`)
  return events
}

interface Row extends Timing {
  readonly stage: string
  /** Share of the wall time after start-up that is not work of a worker. */
  readonly orchestration: number
}

function rowOf(stage: string, timing: Timing): Row {
  const after = timing.wall_seconds - timing.start_seconds
  return { stage, ...timing, orchestration: 1 - timing.worker_seconds / after }
}

function rowsOf(events: readonly Event[]): Row[] {
  return events.flatMap(({ type, stage, summary }) => {
    if (type !== 'stage_finished') return []
    const parsed = z.object({ timing: timingSchema }).safeParse(summary)
    return parsed.success ? [rowOf(stage, parsed.data.timing)] : []
  })
}

/** A stage within a stage, as the coherence samples of an evaluation, counts once: in the outer one. */
function totalOf(rows: readonly Row[]): Row {
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

/** Seconds from the last sample that a stage reported to the first optimiser step of the next, reference scoring left out. */
function switches(events: readonly Event[]): { readonly stage: string; readonly seconds: number }[] {
  const found: { stage: string; seconds: number }[] = []
  for (const stage of new Set(events.map((event) => event.stage))) {
    if (!stage.endsWith('dpo')) continue
    const first = events.find((event) => event.stage === stage && event.type === 'progress')
    const before = events.filter(
      ({ at, type }) => type === 'progress' && first !== undefined && at < first.at,
    )
    const lastSample = before.findLast((event) => event.stage !== stage)
    const finished = events.find((event) => event.stage === stage && event.type === 'stage_finished')
    const reference = z.object({ reference_seconds: z.number() }).safeParse(finished?.summary)
    if (first === undefined || lastSample === undefined || !reference.success) continue
    found.push({ stage, seconds: first.at - lastSample.at - reference.data.reference_seconds })
  }
  return found
}

const folder =
  values.output === undefined
    ? await mkdtemp(join(tmpdir(), 'elenchus-pipeline-'))
    : resolve(root, values.output)
const reports: object[] = []
try {
  for (const [index, config] of values.config.entries()) {
    const events = await eventsOf(config, join(folder, `${index}-${basename(config, '.yaml')}`))
    const rows = rowsOf(events)
    const total = totalOf(rows)
    const report = { config, stages: rows, total, switches: switches(events) }
    reports.push(report)
    if (values.json) continue
    const seconds = (value: number): string => value.toFixed(2)
    console.log(config)
    console.table(
      [...rows, total].map((row) => ({
        stage: row.stage,
        wall: seconds(row.wall_seconds),
        start: seconds(row.start_seconds),
        worker: seconds(row.worker_seconds),
        wire: seconds(row.wire_seconds),
        typescript: seconds(row.typescript_seconds),
        'workers busy %': (100 * (row.workers_busy ?? 0)).toFixed(0),
        'not worker %': (100 * row.orchestration).toFixed(1),
      })),
    )
    for (const { stage, seconds: took } of report.switches) {
      console.log(
        `${stage}: ${took.toFixed(2)} s from the last sample to the end of the first step, reference scoring left out`,
      )
    }
    console.log(`starting the workers anew takes ${total.start_seconds.toFixed(2)} s`)
  }
  if (values.json) console.log(JSON.stringify({ pipelines: reports }, null, 2))
} finally {
  if (values.output === undefined) await rm(folder, { recursive: true, force: true })
}
