import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { Router } from 'zeromq'
import { ElenchusError } from '../../src/errors.ts'
import { WorkerGroup } from '../../src/bridge/group.ts'
import { choosePython } from '../../src/bridge/launchers/python.ts'
import { spawnLauncher } from '../../src/bridge/launchers/spawn.ts'
import { conditions, describeConditions, readFlags } from './conditions.ts'

/**
 * What the wire costs, beside other ways to talk to a process, in one run and in turns:
 *   npm run bench:bridge [-- --json]
 * Round trips of a small request, 64 MB in each direction, and how soon the death of a worker is noticed.
 */
const flags = readFlags({ json: { type: 'boolean', default: false } })
const started = conditions('bridge')
const ROUNDS = 5
const ROUND_TRIPS = 400
const WARM_UP = 50
const DEATHS = 5
const MEGABYTES = 64
const BYTES = MEGABYTES * 1e6
const PEERS = resolve(import.meta.dirname, '../../../py-runtime/bench/bridge')
const python = choosePython(undefined)
const SMALL = { op: 'stats', id: '0123456789abcdef' }

/** Round trips of one small message; sends so many bytes there, gets so many back. Null: not measured apart. */
interface Way extends AsyncDisposable {
  readonly name: string
  ping(): Promise<unknown>
  readonly send: (() => Promise<unknown>) | null
  readonly receive: (() => Promise<unknown>) | null
  /** The same bytes there and back, where a way cannot do one without the other. */
  readonly both: (() => Promise<unknown>) | null
}

type Peer = ChildProcessByStdio<Writable, Readable, null>
function peer(...args: readonly string[]): Peer {
  return spawn(python, [join(PEERS, 'echo.py'), ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
}
async function end(child: Peer): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

function startGroup(logDirectory: string): Promise<WorkerGroup> {
  const command = [python, join(PEERS, 'worker.py')] as const
  return WorkerGroup.start({ launcher: spawnLauncher({ command, devices: 'cpu' }), logDirectory })
}

async function elenchus(folder: string): Promise<Way> {
  const group = await startGroup(join(folder, 'logs'))
  const ids = new Int32Array(BYTES / 4)
  const lengths = Int32Array.of(ids.length)
  const score = { policy: null, prompts: [], rows: [], temperature: 1, micro_batch_tokens: 1 }
  return {
    name: 'elenchus',
    ping: () => group.call('stats', {}).result,
    send: () => group.call('score', score, { blobs: { ids, ids_lengths: lengths } }).result,
    receive: () => group.call('encode', { texts: [String(ids.length)], special_tokens: false }).result,
    both: null,
    [Symbol.asyncDispose]: () => group[Symbol.asyncDispose](),
  }
}

async function bareZeroMq(folder: string): Promise<Way> {
  const endpoint = `ipc://${join(folder, 'echo')}`
  const router = new Router()
  await router.bind(endpoint)
  const child = peer('zmq', endpoint)
  await router.receive()
  const large = Buffer.alloc(BYTES)
  const small = Buffer.from(JSON.stringify(SMALL))
  const echo = async (body: Buffer): Promise<void> => {
    await router.send(['echo', body])
    await router.receive()
  }
  return {
    name: 'bare ZeroMQ',
    ping: () => echo(small),
    send: null,
    receive: null,
    both: () => echo(large),
    async [Symbol.asyncDispose]() {
      await end(child)
      router.close()
    },
  }
}

async function jsonOverStdio(): Promise<Way> {
  const child = peer('stdio')
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const ids = Buffer.alloc(BYTES)
  const echo = async (message: unknown): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(message)}\n`)
    const { value }: IteratorResult<string> = await lines.next()
    return JSON.parse(value)
  }
  return {
    name: 'newline JSON over stdio',
    ping: () => echo(SMALL),
    send: null,
    receive: null,
    // Numbers as base64: written out as digits they take several times as long.
    both: async () =>
      Buffer.from(((await echo({ ids: ids.toString('base64') })) as { ids: string }).ids, 'base64'),
    [Symbol.asyncDispose]: () => end(child),
  }
}

async function http(): Promise<Way> {
  const child = peer('http')
  const [port]: unknown[] = await once(createInterface(child.stdout), 'line')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const echo = (body: Buffer): Promise<Buffer> =>
    new Promise((done, failed) => {
      const headers = { 'content-length': body.length }
      const sent = request(
        { port: Number(port), host: '127.0.0.1', method: 'POST', agent, headers },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('end', () => done(Buffer.concat(chunks)))
          response.on('error', failed)
        },
      )
      sent.on('error', failed)
      sent.end(body)
    })
  const small = Buffer.from(JSON.stringify(SMALL))
  const large = Buffer.alloc(BYTES)
  return {
    name: 'HTTP keep-alive',
    ping: async () => JSON.parse((await echo(small)).toString()) as unknown,
    send: null,
    receive: null,
    both: () => echo(large),
    async [Symbol.asyncDispose]() {
      agent.destroy()
      await end(child)
    },
  }
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** Milliseconds from `kill -9` of a worker that serves a request to the failure of that request. */
async function deathNoticed(folder: string, round: number): Promise<number> {
  await using group = await startGroup(join(folder, `death-${round}`))
  const { pid } = (await group.call('stats', {}).result).body
  const { result } = group.call('encode', { texts: [], special_tokens: false })
  const failed = result.then(
    () => Promise.reject(new Error('the request was answered')),
    (error: unknown) => {
      if (!(error instanceof ElenchusError && error.code === 'worker_died')) throw error
      return performance.now()
    },
  )
  // Until it is on the worker.
  await new Promise((resolve) => setTimeout(resolve, 200))
  const killed = performance.now()
  process.kill(pid, 'SIGKILL')
  return (await failed) - killed
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN
}

interface Figures {
  readonly pings: number[]
  readonly send: number[]
  readonly receive: number[]
  readonly both: number[]
}

const folder = await mkdtemp(join(tmpdir(), 'eb-'))
const ways: Way[] = []
try {
  for (const make of [elenchus, bareZeroMq, jsonOverStdio, http]) ways.push(await make(folder))
  const figures = new Map<Way, Figures>(
    ways.map((way) => [way, { pings: [], send: [], receive: [], both: [] }]),
  )
  for (const way of ways) for (let index = 0; index < WARM_UP; index++) await way.ping()
  for (let round = 0; round < ROUNDS; round++) {
    for (const [way, { pings, send, receive, both }] of figures) {
      for (let index = 0; index < ROUND_TRIPS; index++) pings.push(await milliseconds(() => way.ping()))
      if (way.send !== null) send.push(await milliseconds(way.send))
      if (way.receive !== null) receive.push(await milliseconds(way.receive))
      if (way.both !== null) both.push(await milliseconds(way.both))
    }
  }
  const deaths: number[] = []
  for (let round = 0; round < DEATHS; round++) deaths.push(await deathNoticed(folder, round))

  const rate = (times: readonly number[], megabytes: number): number | null =>
    times.length === 0 ? null : megabytes / Math.min(...times)
  const rows = [...figures].map(([{ name }, { pings, send, receive, both }]) => {
    const sorted = pings.toSorted((a, b) => a - b)
    return {
      way: name,
      p50_us: quantile(sorted, 0.5) * 1000,
      p99_us: quantile(sorted, 0.99) * 1000,
      send_gb_s: rate(send, MEGABYTES),
      receive_gb_s: rate(receive, MEGABYTES),
      // There and back are twice the bytes.
      both_gb_s: rate(both, 2 * MEGABYTES),
    }
  })
  const [ours, ...others] = rows
  const over = (way: string, other: number): [string, number] => [
    `round_trip_p50.elenchus_over_${way.replaceAll(' ', '_')}`,
    (ours?.p50_us ?? NaN) / other,
  ]
  const ratios = Object.fromEntries(others.map(({ way, p50_us: other }) => over(way, other)))
  const ratio = (ours?.p50_us ?? NaN) / (others[0]?.p50_us ?? NaN)
  const slowestDeath = Math.max(...deaths)
  if (flags.json) {
    console.log(JSON.stringify({ ...started, ways: rows, ratios, death_noticed_ms: deaths }, null, 2))
  } else {
    console.log(describeConditions(started))
    console.table(rows)
    console.log(`p50 is ${ratio.toFixed(2)} x that of a bare ZeroMQ echo (target: at most 1.5)`)
    console.log(
      `death of a worker noticed within ${slowestDeath.toFixed(0)} ms at the latest of ${DEATHS} (target: 100)`,
    )
  }
} finally {
  for (const way of ways) await way[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
}
