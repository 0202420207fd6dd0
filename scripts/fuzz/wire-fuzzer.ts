import { RequestCall } from '../../src/bridge/call.ts'
import { WorkerLink } from '../../src/bridge/link.ts'
import { DEFAULT_LIMITS } from '../../src/bridge/limits.ts'
import type { Blobs } from '../../src/bridge/protocol/blobs.ts'
import { encodeMessage, type OutgoingMessage } from '../../src/bridge/protocol/message.ts'
import { ElenchusError } from '../../src/errors.ts'
import { mutated, pick, randomOf } from './mutate.ts'

export interface FuzzReport {
  readonly messages: number
  /** Workers that were ended for what they sent, by the code of their end. */
  readonly ended: Readonly<Record<string, number>>
  /** Mutated greetings that were let in: each said exactly what it had to. */
  readonly admitted: number
  /** Messages that still fitted the protocol after mutation. */
  readonly harmless: number
  readonly slowestMs: number
  /** Growth of memory over the second half, in MiB. */
  readonly grownMb: number
}

const TOKEN = 'a'.repeat(64)
const HELLO = {
  token: TOKEN,
  protocol: 1,
  rank: 0,
  epoch: 0,
  world_size: 1,
  local_rank: 0,
  device: 'cpu',
  pid: 7,
  capabilities: ['generate'],
  versions: { torch: '2' },
  warnings: [],
  credits: 8,
}
const STATS = { pid: 7, rss_bytes: 1, models: [], adapters: [], uptime_s: 1 }
const IDS: Blobs = { ids: Int32Array.from([1, 2, 3]), logprobs: Float32Array.from([-1, -2, -3]) }
const COMPLETION = {
  type: 'completion',
  key: 'k',
  text: 'text',
  finish_reason: 'eos',
  num_tokens: 3,
  prompt_tokens: 1,
}

/** One worker and what is open with it. */
class Life {
  readonly link: WorkerLink
  readonly results: unknown[] = []
  code: string | null = null

  constructor() {
    this.link = new WorkerLink({
      expected: { token: TOKEN, rank: 0, epoch: 0, worldSize: 1 },
      logFile: '/nowhere',
      limits: DEFAULT_LIMITS,
      heartbeatS: 1,
      send: () => Promise.resolve(true),
      onChange: () => undefined,
      onAnswered: () => undefined,
    })
    this.link.ready.catch(() => undefined)
  }

  greet(): void {
    this.link.receive(encodeMessage({ kind: 'hello', id: 'hello', body: HELLO }))
    const owner = { abandoned: () => undefined, released: () => undefined }
    const stats = new RequestCall('stats-1', 'stats', {}, {}, owner)
    const generate = new RequestCall(
      'generate-1',
      'generate',
      {
        policy: null,
        engine: 'auto',
        requests: [{ key: 'k', prompt: 'p', seed: 1 }],
        sampling: { temperature: 1, top_p: 1, max_new_tokens: 8 },
        stops: [],
        logprobs: true,
        deterministic: false,
      },
      { sequences: 1 },
      owner,
    )
    for (const call of [stats, generate] as const) {
      call.result.then(
        (result: unknown) => this.results.push(result),
        () => undefined,
      )
      this.link.submit(call)
    }
  }
}

/** What a worker may say, before it is changed. */
const SAID: readonly [OutgoingMessage, ...OutgoingMessage[]] = [
  { kind: 'pong', id: '1', body: { phase: 'step', phase_s: 1, busy: 'stats-1', beat: 3 } },
  { kind: 'accepted', id: 'stats-1', body: {} },
  { kind: 'result', id: 'stats-1', body: STATS },
  { kind: 'event', id: 'generate-1', body: COMPLETION, blobs: IDS },
  { kind: 'event', id: 'generate-1', body: { type: 'progress', phase: 'step', done: 1, total: 2 } },
  {
    kind: 'error',
    id: 'stats-1',
    body: { code: 'internal', message: 'm', retryable: false, details: { a: 1 } },
  },
]

/**
 * Sends mutated messages to the orchestrator's side of the wire, one worker's life after the other.
 * @throws Error naming the message if one causes anything but a typed end of that worker
 */
export async function fuzzWire(messages: number, seed: number): Promise<FuzzReport> {
  const random = randomOf(seed)
  const ended: Record<string, number> = {}
  let [admitted, harmless, slowestMs, halfway] = [0, 0, 0, 0]
  let life: Life | null = null
  for (let sent = 0; sent < messages; sent += 1) {
    if (sent === messages >> 1) halfway = memory()
    const greeting = random() < 0.2
    if (greeting || life === null) {
      await life?.link.close()
      life = new Life()
    }
    if (!greeting && life.link.hello === null) life.greet()
    const before = performance.now()
    const outgoing: OutgoingMessage = greeting
      ? { kind: 'hello', id: 'hello', body: HELLO }
      : pick(random, SAID)
    receive(life, mutated(random, encodeMessage(outgoing)), `message ${sent} of seed ${seed}`)
    slowestMs = Math.max(slowestMs, performance.now() - before)
    const { hello, state } = life.link
    if (greeting && hello !== null) {
      if (hello.token !== TOKEN || hello.rank !== 0 || hello.epoch !== 0)
        throw new Error(`Message ${sent}: let in.`)
      admitted += 1
      life = null
    } else if (state === 'down') {
      await life.link.down
      const code = life.link.failure?.code ?? 'none'
      ended[code] = (ended[code] ?? 0) + 1
      life = null
    } else {
      harmless += 1
    }
    if (sent % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await life?.link.close()
  return { messages, ended, admitted, harmless, slowestMs, grownMb: (memory() - halfway) / 2 ** 20 }
}

function receive(life: Life, frames: readonly Uint8Array[], what: string): void {
  try {
    life.link.receive(frames)
  } catch (error) {
    if (ElenchusError.is(error)) throw error
    throw new Error(`${what} broke out: ${String(error)} ${Buffer.from(frames[0] ?? []).toString('hex')}`, {
      cause: error,
    })
  }
}

/** Resident memory after a collection, where node runs with --expose-gc. */
function memory(): number {
  const { gc } = globalThis as { readonly gc?: () => void }
  gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
