import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TrainBatch, TrainingSession, Trajectory } from '../../src/backends/backend.ts'
import { createTorchBackend, type TorchBackend } from '../../src/backends/torch/torch.ts'
import { spawnLauncher } from '../../src/bridge/launchers/spawn.ts'
import {
  generationMemory,
  reinforcementMemory,
  trainingMemory,
  type Device,
  type Memory,
} from '../../src/plan/memory.ts'
import { parameters, shapeOfConfig, type Shape } from '../../src/plan/shape.ts'
import { chosen, conditions, readFlags, refuse } from './conditions.ts'

/**
 * `elenchus plan` against what is true: the estimated peak of each kind of stage beside the peak resident size of a
 * fresh worker that does a step of it, on the CPU in fp32, for the models of the other benches.
 *   npm run bench:plan [-- --json] [-- --models 10m,30m] [-- --stages dpo]
 */
const MODELS = {
  '10m': {
    words: 31_000,
    hidden_size: 256,
    num_layers: 2,
    num_heads: 8,
    intermediate_size: 768,
  },
  '30m': {
    words: 7900,
    hidden_size: 512,
    num_layers: 8,
    num_heads: 8,
    intermediate_size: 1376,
  },
} as const
const CPU: Device = { kind: 'cpu', bytes: 4 }
const [PROMPT, COMPLETION] = [100, 100]
const MICRO_BATCH = 8192
/** Memory that is freed goes back at once: what is measured is what torch holds, not what the C library keeps. */
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: '262144' }

interface Stage {
  readonly name: string
  readonly estimate: (shape: Shape) => Memory
  readonly work: (backend: TorchBackend, words: number) => Promise<void>
}

const LORA = { rank: 16, alpha: 32, dropout: 0, targetModules: 'all-linear' } as const
const COMMON = {
  microBatchTokens: MICRO_BATCH,
  checkpointing: false,
  targetShare: COMPLETION / (PROMPT + COMPLETION),
  longest: PROMPT + COMPLETION,
  attended: 1,
  reference: false,
  entropies: false,
}
const [QUESTIONS, TRAJECTORIES, CORRECT] = [2, 8, 2]

const STAGES: readonly Stage[] = [
  {
    name: 'sampling, 64 x (100 + 200)',
    estimate: (shape) =>
      generationMemory(shape, CPU, {
        sequences: 64,
        promptTokens: PROMPT,
        newTokens: 200,
        samples: 8,
        adapterRank: null,
      }),
    async work(backend, words) {
      const { fingerprint } = await backend.info()
      const policy = { kind: 'base', fingerprint } as const
      await drain(backend.generate(requests(8, 8, words), { ...SAMPLING, policy, maxNewTokens: 200 }))
    },
  },
  sft('SFT of an adapter, 32 x 200', 'adapter'),
  sft('SFT of all weights, 32 x 200', 'all'),
  {
    name: 'DPO, 2 x (100 + 8 x 100), 24 pairs',
    estimate: (shape) => {
      const tokens = QUESTIONS * (PROMPT + TRAJECTORIES * COMPLETION)
      const targetShare = (QUESTIONS * TRAJECTORIES * COMPLETION) / tokens
      return trainingMemory(shape, CPU, {
        ...COMMON,
        trained: { rank: LORA.rank },
        batchTokens: tokens,
        targetShare,
        attended: (QUESTIONS * TRAJECTORIES * (PROMPT + COMPLETION)) / tokens,
        reference: true,
      })
    },
    async work(backend, words) {
      const { fingerprint } = await backend.info()
      const trajectories = completions(QUESTIONS, TRAJECTORIES, words)
      const scores = await backend.score(trajectories, { policy: { kind: 'base', fingerprint } })
      const pairs = trajectories.flatMap((_, chosen) =>
        trajectories.flatMap((__, rejected) => {
          const same = Math.floor(chosen / TRAJECTORIES) === Math.floor(rejected / TRAJECTORIES)
          const right = chosen % TRAJECTORIES < CORRECT && rejected % TRAJECTORIES >= CORRECT
          return same && right ? [{ chosen, rejected }] : []
        }),
      )
      await using session = await open(backend, 'dpo', 'adapter')
      await steps(session, {
        kind: 'dpo',
        trajectories,
        pairs,
        referenceSums: Float64Array.from(scores, ({ sum }) => sum),
        loss: { kind: 'sigmoid', beta: 0.1, labelSmoothing: 0, nllCoef: 0, lengthNormalised: false },
        maxLength: 512,
      })
    },
  },
  {
    name: 'PPO with a critic, 8 x 4 x (100 + 100)',
    estimate: (shape) =>
      reinforcementMemory(
        shape,
        CPU,
        { sequences: 32, promptTokens: PROMPT, newTokens: COMPLETION, samples: 4 },
        {
          ...COMMON,
          trained: { rank: LORA.rank },
          batchTokens: 8 * (PROMPT + 4 * COMPLETION),
          targetShare: 0.8,
          attended: (4 * (PROMPT + COMPLETION)) / (PROMPT + 4 * COMPLETION),
        },
      ),
    async work(backend, words) {
      await backend.info()
      await using session = await open(backend, 'ppo', 'adapter')
      const given = requests(8, 4, words)
      for (let step = 1; step <= 2; step++) {
        const prompts = new Map(given.map(({ key, prompt }) => [key, prompt]))
        const trajectories: Trajectory[] = []
        const sampling = { ...SAMPLING, maxNewTokens: COMPLETION }
        for await (const { key, ids } of session.generate(given, sampling)) {
          if (ids !== undefined) trajectories.push({ prompt: prompts.get(key) ?? '', ids })
        }
        const scores = await session.score(trajectories, 1)
        const samples = trajectories.map((trajectory, index) => ({
          trajectory,
          oldLogprobs: scores[index]!.logprobs,
          advantages: scores[index]!.logprobs.map((_, place) => (place % 3) - 1),
          critic: { returns: scores[index]!.logprobs, oldValues: scores[index]!.values! },
        }))
        const loss = {
          temperature: 1,
          clipLow: 0.2,
          clipHigh: 0.2,
          valueCoef: 0.1,
          valueLearningRate: 1e-3,
          entropyCoef: 0,
          klCoef: 0,
          valueOnly: false,
        }
        const batch: TrainBatch = { kind: 'ppo', samples, loss, maxLength: 512 }
        await session.step({ step, learningRate: 1e-5, batch })
      }
    },
  },
]

const SAMPLING = { temperature: 1, topP: 1, stops: [] } as const

function sft(name: string, trained: 'adapter' | 'all'): Stage {
  return {
    name,
    estimate: (shape) =>
      trainingMemory(shape, CPU, {
        ...COMMON,
        trained: trained === 'all' ? 'all' : { rank: LORA.rank },
        batchTokens: 32 * (PROMPT + COMPLETION),
      }),
    async work(backend, words) {
      await backend.info()
      await using session = await open(backend, 'sft', trained)
      const examples = Array.from({ length: 32 }, (_, index) => ({
        prompt: textOf(PROMPT, index, words),
        completion: textOf(COMPLETION - 1, index + 50, words),
      }))
      await steps(session, { kind: 'sft', examples, maxLength: 512 })
    },
  }
}

function open(
  backend: TorchBackend,
  algorithm: 'sft' | 'dpo' | 'ppo',
  trained: 'adapter' | 'all',
): Promise<TrainingSession> {
  return backend.openTraining({
    algorithm,
    target: trained === 'all' ? { kind: 'full' } : { kind: 'new-adapter', lora: LORA },
    optimizer: { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
    microBatchTokens: MICRO_BATCH,
    gradientCheckpointing: false,
    valueHead: algorithm === 'ppo',
    seed: 1,
  })
}

/** Twice: the optimiser's state is there from the second step on. */
async function steps(session: TrainingSession, batch: TrainBatch): Promise<void> {
  for (let step = 1; step <= 2; step++) await session.step({ step, learningRate: 1e-4, batch })
}

async function drain(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items) continue
}

/** Text of so many tokens: every word is one. */
function textOf(tokens: number, offset: number, words: number): string {
  return Array.from({ length: tokens }, (_, index) => ` w${(index * 7 + offset * 13) % words}`).join('')
}

function requests(prompts: number, samples: number, words: number) {
  return Array.from({ length: prompts * samples }, (_, index) => ({
    key: String(index),
    prompt: textOf(PROMPT, Math.floor(index / samples), words),
    seed: index,
  }))
}

function completions(questions: number, each: number, words: number): Trajectory[] {
  return Array.from({ length: questions * each }, (_, index) => ({
    prompt: textOf(PROMPT, Math.floor(index / each), words),
    ids: Int32Array.from(
      { length: COMPLETION },
      (__, place) => 300 + ((place * 11 + index * 17) % (words - 100)),
    ),
  }))
}

function fresh(model: string, folder: string): TorchBackend {
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

/** The greatest resident size that the worker has had. */
async function peakOf(backend: TorchBackend): Promise<number> {
  const [worker] = await backend.stats()
  const status = await readFile(`/proc/${worker?.pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}

/** Now. */
async function residentOf(backend: TorchBackend): Promise<number> {
  const [worker] = await backend.stats()
  return worker?.rss_bytes ?? Number.NaN
}

async function makeModel(name: keyof typeof MODELS, folder: string): Promise<string> {
  const { words, ...sizes } = MODELS[name]
  const path = join(folder, name)
  const textsPath = join(folder, `${name}.jsonl`)
  const all = Array.from({ length: words }, (_, index) => ` w${index}`).join('')
  await writeFile(textsPath, `${JSON.stringify(all)}\n`)
  const rest = { max_positions: 1024, rope_theta: 10_000, tie_embeddings: true, attention_bias: false }
  const architecture = { ...sizes, ...rest, initializer_range: 0.02 }
  await using maker = fresh(path, folder)
  await maker.createTinyModel({
    path,
    textsPath,
    phrasePatterns: [String.raw` w\d+`],
    architecture,
    seed: 1,
  })
  return path
}

const flags = readFlags({
  json: { type: 'boolean', default: false },
  models: { type: 'string' },
  stages: { type: 'string', default: '' },
})
const models = chosen('models', flags.models, ['10m', '30m'] satisfies (keyof typeof MODELS)[])
const stages = STAGES.filter(({ name }) => name.toLowerCase().includes(flags.stages.toLowerCase()))
if (stages.length === 0) {
  refuse(
    `--stages ${flags.stages}: a part of the name of ${STAGES.map(({ name }) => `"${name}"`).join(', ')}`,
  )
}
Object.assign(process.env, ALLOCATOR)
const folder = await mkdtemp(join(tmpdir(), 'elenchus-plan-'))
const mib = (bytes: number): number => Math.round(bytes / 2 ** 20)
try {
  const rows: {
    readonly model: string
    readonly stage: string
    readonly planned_mib: number
    readonly measured_mib: number
    readonly ratio: number
    readonly baseline_mib: number
    readonly ratio_above_baseline: number
    readonly terms_mib: Readonly<Record<string, number>>
  }[] = []
  for (const name of models) {
    const path = await makeModel(name, folder)
    const shape = shapeOfConfig(JSON.parse(await readFile(join(path, 'config.json'), 'utf8')))
    if (shape === null) throw new Error('the model made on the spot has no shape')
    for (const { name: stage, estimate, work } of stages) {
      process.stderr.write(`${name}: ${stage}\n`)
      await using backend = fresh(path, folder)
      await backend.info()
      const baseline = (await residentOf(backend)) - parameters(shape) * CPU.bytes
      await work(backend, MODELS[name].words)
      const measured = await peakOf(backend)
      const { total, ...terms } = estimate(shape)
      rows.push({
        model: name,
        stage,
        planned_mib: mib(total),
        measured_mib: mib(measured),
        ratio: total / measured,
        // Interpreter, libraries and tokenizer: what a worker has besides the weights once they are loaded.
        baseline_mib: mib(baseline),
        ratio_above_baseline: (total - terms.runtime) / (measured - baseline),
        terms_mib: Object.fromEntries(Object.entries(terms).map(([term, bytes]) => [term, mib(bytes)])),
      })
    }
  }
  if (flags.json) {
    const ratios = Object.fromEntries(
      rows.flatMap(({ model, stage, ratio, ratio_above_baseline: above }) => {
        const name = `${model}.${stage.split(',')[0]}`
        return [
          [`plan_over_measured.${name}`, ratio],
          [`plan_over_measured_above_baseline.${name}`, above],
        ]
      }),
    )
    process.stdout.write(`${JSON.stringify({ ...conditions('plan'), rows, ratios }, undefined, 2)}\n`)
  } else {
    for (const {
      model,
      stage,
      planned_mib: planned,
      measured_mib: measured,
      ratio,
      baseline_mib: baseline,
      ratio_above_baseline: above,
      terms_mib: terms,
    } of rows) {
      const parts = Object.entries(terms).flatMap(([term, size]) => (size > 0 ? [`${term} ${size}`] : []))
      process.stdout.write(
        `${model.padEnd(5)} ${stage.padEnd(40)} ${String(planned).padStart(6)} / ${String(measured).padStart(6)} MiB = ` +
          `${ratio.toFixed(2)}, above ${baseline} MiB ${above.toFixed(2)}   ${parts.join(', ')}\n`,
      )
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
