import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { PolicyRef } from '../../src/backends/backend.ts'
import { createTorchBackend, type TorchBackend } from '../../src/backends/torch/torch.ts'
import { spawnLauncher } from '../../src/bridge/launchers/spawn.ts'

/**
 * Thousands of requests and hundreds of changes between sampling, scoring and training on one worker:
 *   npm run soak -- --requests 10000 --switches 500
 * Prints memory and open files of both sides over time. Exit status 1 if any of them grew from the second fifth of the
 * run to the last: by 5 % of the worker's resident memory or of what lives on Node's heap after a collection, by 64 MiB of
 * Node's resident memory, or by a single file. How much V8 keeps for its young objects depends on how busy the machine is and
 * moves Node's resident memory by tens of MiB either way, so that 5 % of it would say nothing.
 */
const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '10000' },
    switches: { type: 'string', default: '500' },
    json: { type: 'boolean', default: false },
  },
})
const SWITCHES = Number(values.switches)
const PER_SWITCH = Math.ceil(Number(values.requests) / SWITCHES)
const SAMPLES = 50
/** Adapters in turn: more than the four that a worker keeps, so that they are dropped and loaded again. */
const ADAPTERS = 6
const MOST_GROWTH = 1.05
const MOST_NODE_GROWTH_MIB = 64

interface Sample {
  readonly requests: number
  readonly node_mib: number
  /** Alive on the heap after a collection, and what that holds outside it. */
  readonly node_heap_mib: number
  readonly worker_mib: number
  readonly node_files: number
  readonly worker_files: number
}

const WORDS = Array.from({ length: 60 }, (_, index) => `w${index}`)
const textOf = (tokens: number, offset: number): string =>
  Array.from({ length: tokens }, (_, index) => ` ${WORDS[(index * 7 + offset) % WORDS.length]}`).join('')

function open(model: string, folder: string): TorchBackend {
  return createTorchBackend({
    model,
    dtype: 'float32',
    engine: 'native',
    deterministic: false,
    trustRemoteCode: false,
    threads: 1,
    launcher: spawnLauncher({ devices: 'cpu', threads: 1 }),
    logDirectory: join(folder, 'logs'),
  })
}

async function createModel(path: string, folder: string): Promise<void> {
  const textsPath = join(folder, 'texts.jsonl')
  await writeFile(textsPath, `${JSON.stringify(textOf(60, 0))}\n`)
  await using maker = open(path, folder)
  await maker.createTinyModel({
    path,
    textsPath,
    phrasePatterns: [String.raw` w\d+`],
    architecture: {
      hidden_size: 32,
      num_layers: 2,
      num_heads: 2,
      intermediate_size: 64,
      max_positions: 256,
      rope_theta: 10_000,
      tie_embeddings: true,
      attention_bias: false,
      initializer_range: 0.02,
    },
    seed: 1,
  })
}

async function resident(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

async function openFiles(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length
}

async function sample(backend: TorchBackend, requests: number): Promise<Sample> {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  const [worker] = await backend.stats()
  const pid = worker?.pid ?? 0
  return {
    requests,
    node_mib: await resident(process.pid),
    node_heap_mib: (heapUsed + external) / 2 ** 20,
    worker_mib: await resident(pid),
    node_files: await openFiles(process.pid),
    worker_files: await openFiles(pid),
  }
}

/** One wire request: a few samples, or the scores of a few completions. */
async function request(backend: TorchBackend, policy: PolicyRef, index: number): Promise<void> {
  const prompt = textOf(10 + (index % 20), index)
  if (index % 3 === 0) {
    const completions = [0, 1, 2, 3].map((at) => ({ prompt, ids: Int32Array.of(300, 301 + at, 302) }))
    await backend.score(completions, { policy })
    return
  }
  const requests = [0, 1, 2, 3].map((seed) => ({ key: String(seed), prompt, seed: index + seed }))
  const options = { policy, temperature: 1, topP: 1, maxNewTokens: 8, stops: [] }
  for await (const { finishReason } of backend.generate(requests, options)) {
    if (finishReason === 'prompt_too_long') throw new Error('a prompt of the soak is too long')
  }
}

/** Trains a new adapter for one step and saves it. */
async function trainAdapter(backend: TorchBackend, path: string, seed: number): Promise<PolicyRef> {
  const lora = { rank: 4, alpha: 8, dropout: 0, targetModules: 'all-linear' } as const
  await using session = await backend.openTraining({
    algorithm: 'sft',
    target: { kind: 'new-adapter', lora },
    optimizer: { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
    microBatchTokens: 4096,
    gradientCheckpointing: false,
    seed,
  })
  const examples = Array.from({ length: 8 }, (_, index) => ({
    prompt: textOf(20, index + seed),
    completion: textOf(19, index + 50),
  }))
  await session.step({ step: 1, learningRate: 1e-3, batch: { kind: 'sft', examples, maxLength: 128 } })
  return await session.save(path)
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN

/** From the second fifth of the run, when caches are full, to the last. */
function growth(samples: readonly Sample[], of: (each: Sample) => number): { from: number; to: number } {
  const fifth = Math.max(1, Math.floor(samples.length / 5))
  return { from: median(samples.slice(fifth, 2 * fifth).map(of)), to: median(samples.slice(-fifth).map(of)) }
}

const folder = await mkdtemp(join(tmpdir(), 'es-'))
const began = performance.now()
try {
  const model = join(folder, 'model')
  await createModel(model, folder)
  await using backend = open(model, folder)
  const { fingerprint } = await backend.info()
  let policy: PolicyRef = { kind: 'base', fingerprint }
  const samples: Sample[] = []
  let requests = 0
  for (let round = 0; round < SWITCHES; round++) {
    for (let index = 0; index < PER_SWITCH; index++) {
      await request(backend, policy, requests)
      requests++
    }
    policy = await trainAdapter(backend, join(folder, `adapter-${round % ADAPTERS}`), round)
    if ((round + 1) % Math.max(1, Math.floor(SWITCHES / SAMPLES)) === 0) {
      const now = await sample(backend, requests)
      samples.push(now)
      process.stderr.write(`${JSON.stringify(now)}\n`)
    }
  }
  const grown = {
    node_mib: growth(samples, (each) => each.node_mib),
    node_heap_mib: growth(samples, (each) => each.node_heap_mib),
    worker_mib: growth(samples, (each) => each.worker_mib),
    node_files: growth(samples, (each) => each.node_files),
    worker_files: growth(samples, (each) => each.worker_files),
  }
  const flat =
    grown.node_mib.to <= grown.node_mib.from + MOST_NODE_GROWTH_MIB &&
    grown.node_heap_mib.to <= MOST_GROWTH * grown.node_heap_mib.from &&
    grown.worker_mib.to <= MOST_GROWTH * grown.worker_mib.from &&
    grown.node_files.to <= grown.node_files.from &&
    grown.worker_files.to <= grown.worker_files.from
  const seconds = (performance.now() - began) / 1000
  if (values.json) {
    console.log(JSON.stringify({ requests, switches: SWITCHES, seconds, flat, ...grown, samples }, null, 2))
  } else {
    console.table(grown)
    console.log(
      `${requests} requests, ${SWITCHES} switches, ${seconds.toFixed(0)} s: ${flat ? 'flat' : 'SOMETHING GREW'}`,
    )
  }
  process.exitCode = flat ? 0 : 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
