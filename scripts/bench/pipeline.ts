import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { conditions, describeConditions, median, readFlags, refuse } from './conditions.ts'
import {
  type Event,
  eventSchema,
  mediansOf,
  type Row,
  rowsOf,
  type Switch,
  switchesOf,
  totalOf,
} from './stage-times.ts'

/**
 * How much of a pipeline's wall time is not work of a worker, stage by stage; and how long it takes from the last sampled
 * token to the first optimiser step of the first configuration's first DPO: with the workers kept, as in a whole run, and
 * with both stages as commands of their own, each with new workers.
 *   npm run bench:pipeline [-- --config configs/tiny.oak.yaml ...] [--set key=value ...] [--runs 3] [--output DIR] [--json]
 * Medians over the runs, which take turns. They are kept under DIR, if it is given.
 */
const flags = readFlags({
  config: { type: 'string', multiple: true, default: ['configs/tiny.oak.yaml', 'configs/tiny.abel.yaml'] },
  set: { type: 'string', multiple: true, default: [] },
  runs: { type: 'string', default: '1' },
  output: { type: 'string' },
  json: { type: 'boolean', default: false },
})
const runs = Number(flags.runs)
if (!Number.isInteger(runs) || runs < 1) refuse(`--runs ${flags.runs}: a whole number from 1`)
const root = resolve(import.meta.dirname, '../../..')

async function eventsOf(config: string, output: string, ...range: readonly string[]): Promise<Event[]> {
  const sets = [`output=${output}`, ...flags.set].flatMap((set) => ['--set', set])
  const args = [join(root, 'dist/cli/main.js'), 'run', resolve(root, config), '--json', ...sets, ...range]
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

/** The same switch between two commands; whatever came before the first stage has then been done again. */
async function restarted(config: string, output: string, { from, to }: Switch): Promise<number | null> {
  const sampled = await eventsOf(config, output, '--until', from)
  const trained = await eventsOf(config, output, '--resume', '--only', to)
  // What the second command skips is told again, but nothing of it progresses.
  const found = switchesOf([...sampled, ...trained]).find((each) => each.from === from && each.to === to)
  return found?.seconds ?? null
}

interface Measured {
  readonly rows: readonly Row[]
  readonly switches: readonly Switch[]
}

const started = conditions('pipeline')
const folder =
  flags.output === undefined
    ? await mkdtemp(join(tmpdir(), 'elenchus-pipeline-'))
    : resolve(root, flags.output)
const measured = new Map<string, Measured[]>(flags.config.map((config) => [config, []]))
const [kept, anew]: [number[], number[]] = [[], []]
let between: Switch | undefined
try {
  for (let run = 0; run < runs; run++) {
    for (const [index, config] of flags.config.entries()) {
      const output = join(folder, `${index}-${basename(config, '.yaml')}-${run}`)
      const events = await eventsOf(config, output)
      const switches = switchesOf(events)
      const rows = rowsOf(events)
      measured.get(config)?.push({ rows: [...rows, totalOf(rows)], switches })
      const [first] = switches
      if (index > 0 || first === undefined) continue
      between = first
      const seconds = await restarted(config, `${output}-restarted`, first)
      if (seconds === null) continue
      kept.push(first.seconds)
      anew.push(seconds)
    }
  }
  report()
} finally {
  if (flags.output === undefined) await rm(folder, { recursive: true, force: true })
}

function report(): void {
  const pipelines = [...measured].map(([config, all]) => {
    const [{ switches } = { switches: [] }] = all
    return {
      config,
      stages: mediansOf(all.map(({ rows }) => rows)),
      switches: switches.map(({ from, to }, place) => {
        const seconds = all.flatMap((run) => run.switches[place]?.seconds ?? [])
        return { from, to, seconds: median(seconds) }
      }),
    }
  })
  const shares = pipelines.map(({ config, stages }): [string, number] => [
    `orchestration.${basename(config, '.yaml').replace(/^tiny\./, '')}`,
    stages.at(-1)?.orchestration ?? NaN,
  ])
  const stageSwitch =
    between === undefined || kept.length === 0
      ? null
      : {
          from: between.from,
          to: between.to,
          persistent_seconds: median(kept),
          restart_seconds: median(anew),
        }
  const ratios = {
    // Of the wall time after start-up, the share in which no worker served.
    ...Object.fromEntries(shares),
    ...(stageSwitch !== null && {
      'stage_switch.persistent_over_restart': stageSwitch.persistent_seconds / stageSwitch.restart_seconds,
    }),
  }
  if (flags.json) {
    console.log(JSON.stringify({ ...started, runs, ratios, stage_switch: stageSwitch, pipelines }, null, 2))
    return
  }
  console.log(
    `${describeConditions(started)}; ${runs === 1 ? 'one run' : `medians of ${runs} runs`}, seconds`,
  )
  for (const { config, stages, switches } of pipelines) {
    const seconds = (value: number): string => value.toFixed(2)
    console.log(config)
    console.table(
      stages.map((row) => ({
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
    for (const { from, to, seconds: took } of switches) {
      console.log(
        `${took.toFixed(2)} s from the last sample of ${from} to the end of the first step of ${to}, reference scoring left out`,
      )
    }
  }
  if (stageSwitch !== null) {
    const { from, to, persistent_seconds: short, restart_seconds: long } = stageSwitch
    console.log(
      `${from} to ${to}: ${short.toFixed(2)} s with the workers kept, ${long.toFixed(2)} s as two commands; ratio ${(short / long).toFixed(3)}`,
    )
  }
}
