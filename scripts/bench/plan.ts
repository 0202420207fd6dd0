import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTorchBackend, type TorchBackend } from '../../src/backends/torch/torch.ts'
import { spawnLauncher } from '../../src/bridge/launchers/spawn.ts'
import { generationMemory, trainingMemory, type Device, type Memory } from '../../src/plan/memory.ts'
import { shapeOfConfig, type Shape } from '../../src/plan/shape.ts'

/**
 * `elenchus plan` against what is true: the memory estimates of sampling and of a training step, beside the peak
 * resident size of a fresh worker that does it, on the CPU, for models of two sizes.
 *   npm run bench:plan
 */
const MODELS = [
  { name: '31 M', hidden_size: 512, num_layers: 8, num_heads: 8, intermediate_size: 1792 },
  { name: '100 M', hidden_size: 768, num_layers: 12, num_heads: 12, intermediate_size: 2560 },
] as const
const CPU: Device = { kind: 'cpu', bytes: 4 }
const WORDS = Array.from({ length: 300 }, (_, index) => `w${index}`)

/** Text of so many tokens: every word is one. */
function textOf(tokens: number, offset = 0): string {
  return Array.from({ length: tokens }, (_, index) => ` ${WORDS[(index * 7 + offset) % WORDS.length]}`).join(
    '',
  )
}

interface Case {
  readonly name: string
  readonly estimate: (shape: Shape) => Memory
  readonly work: (backend: TorchBackend) => Promise<void>
}

const CASES: readonly Case[] = [
  {
    name: 'sampling, 64 sequences of 100 + 200',
    estimate: (shape) =>
      generationMemory(shape, CPU, {
        sequences: 64,
        promptTokens: 100,
        newTokens: 200,
        samples: 8,
        adapterRank: null,
      }),
    async work(backend) {
      const { fingerprint } = await backend.info()
      const requests = Array.from({ length: 64 }, (_, index) => ({
        key: String(index),
        prompt: textOf(100, Math.floor(index / 8)),
        seed: index,
      }))
      const policy = { kind: 'base', fingerprint } as const
      // The engine stops where nothing is left; no completion is read.
      for await (const _ of backend.generate(requests, {
        policy,
        temperature: 1,
        topP: 1,
        maxNewTokens: 200,
        stops: [],
      }))
        continue
    },
  },
  training('SFT of an adapter, 32 x 200 tokens', { rank: 16 }),
  training('SFT of all weights, 32 x 200 tokens', 'all'),
]

function training(name: string, trained: { readonly rank: number } | 'all'): Case {
  return {
    name,
    estimate: (shape) =>
      trainingMemory(shape, CPU, {
        trained,
        batchTokens: 32 * 200,
        microBatchTokens: 8192,
        checkpointing: false,
        targetShare: 0.5,
        longest: 200,
        reference: false,
      }),
    async work(backend) {
      await backend.info()
      const lora = { rank: 16, alpha: 32, dropout: 0, targetModules: 'all-linear' } as const
      await using session = await backend.openTraining({
        algorithm: 'sft',
        target: trained === 'all' ? { kind: 'full' } : { kind: 'new-adapter', lora },
        optimizer: { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
        microBatchTokens: 8192,
        gradientCheckpointing: false,
        seed: 1,
      })
      const examples = Array.from({ length: 32 }, (_, index) => ({
        prompt: textOf(100, index),
        completion: textOf(99, index + 50),
      }))
      for (let step = 1; step <= 2; step++) {
        await session.step({ step, learningRate: 1e-4, batch: { kind: 'sft', examples, maxLength: 512 } })
      }
    },
  }
}

/** The greatest resident size that the worker has had. */
async function peakOf(backend: TorchBackend): Promise<number> {
  const [worker] = await backend.stats()
  const status = await readFile(`/proc/${worker?.pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}

function fresh(model: string, folder: string): TorchBackend {
  const launcher = spawnLauncher({ devices: 'cpu', threads: 1 })
  return createTorchBackend({
    model,
    dtype: 'float32',
    engine: 'native',
    deterministic: false,
    trustRemoteCode: false,
    threads: 1,
    launcher,
    logDirectory: join(folder, 'logs'),
  })
}

const folder = await mkdtemp(join(tmpdir(), 'elenchus-plan-'))
const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)
try {
  const textsPath = join(folder, 'texts.jsonl')
  await writeFile(textsPath, `${JSON.stringify(textOf(300))}\n`)
  const rows: object[] = []
  for (const { name, ...sizes } of MODELS) {
    const path = join(folder, name.replace(' ', ''))
    {
      await using maker = fresh(path, folder)
      const positions = {
        max_positions: 1024,
        rope_theta: 10_000,
        tie_embeddings: true,
        attention_bias: false,
      }
      const architecture = { ...sizes, ...positions, initializer_range: 0.02 }
      await maker.createTinyModel({
        path,
        textsPath,
        phrasePatterns: [String.raw` w\d+`],
        architecture,
        seed: 1,
      })
    }
    const shape = shapeOfConfig(JSON.parse(await readFile(join(path, 'config.json'), 'utf8')))
    if (shape === null) throw new Error('the model made on the spot has no shape')
    for (const { name: what, estimate, work } of CASES) {
      await using backend = fresh(path, folder)
      await work(backend)
      const measured = await peakOf(backend)
      const { total, ...terms } = estimate(shape)
      const row = {
        model: name,
        what,
        estimated_mib: mib(total),
        measured_mib: mib(measured),
        ratio: (total / measured).toFixed(2),
      }
      process.stderr.write(
        `${JSON.stringify({ ...row, terms: Object.fromEntries(Object.entries(terms).map(([k, v]) => [k, mib(v)])) })}\n`,
      )
      rows.push(row)
    }
  }
  process.stdout.write(`${JSON.stringify({ cases: rows }, undefined, 2)}\n`)
} finally {
  await rm(folder, { recursive: true, force: true })
}
