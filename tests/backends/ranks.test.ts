import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PolicyRef, TrainBatch, TrainingSession } from '../../src/backends/backend.ts'
import type { StageContext } from '../../src/backends/context.ts'
import type { TorchBackendOptions } from '../../src/backends/torch/options.ts'
import { createTorchBackend, type TorchBackend } from '../../src/backends/torch/torch.ts'
import { spawnLauncher } from '../../src/bridge/launchers/spawn.ts'
import { tracesSchema } from '../../src/config/traces.ts'
import { plainSftSchema } from '../../src/config/training.ts'
import { problemSchema } from '../../src/problems/problem.ts'
import type { RunEvent } from '../../src/runs/events.ts'
import { runTraces } from '../../src/traces/stage.ts'
import { runSft } from '../../src/training/sft.ts'
import { workerPython } from '../bridge/worker-python.ts'
import { codeOf } from './conformance.ts'

const TEXTS = ['Every wumpus is a tumpus. Max is a wumpus.', 'abc abc abc']
const ARCHITECTURE = {
  hidden_size: 32,
  num_layers: 2,
  num_heads: 4,
  intermediate_size: 64,
  max_positions: 128,
  rope_theta: 100,
  tie_embeddings: true,
  attention_bias: false,
  initializer_range: 0.1,
}
const LORA = { rank: 4, alpha: 8, dropout: 0, targetModules: 'all-linear' } as const
const TRAINING = {
  optimizer: { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
  microBatchTokens: 4096,
  gradientCheckpointing: false,
  seed: 1,
} as const
const EXAMPLES = Array.from({ length: 7 }, (_, index) => ({
  prompt: index % 2 === 0 ? 'Max' : 'Every wumpus is',
  completion: 'abc '.repeat(index + 1),
}))
const SFT: TrainBatch = { kind: 'sft', examples: EXAMPLES, maxLength: 128 }

/** Real workers, one against two of them, on the CPU. */
describe.skipIf(workerPython === null)('training on two ranks', { timeout: 240_000 }, () => {
  const folder = mkdtempSync('/tmp/er-')
  const model = join(folder, 'model')
  let one: TorchBackend
  let two: TorchBackend

  const open = (name: string, changes: Partial<TorchBackendOptions> = {}): TorchBackend =>
    createTorchBackend({
      model,
      dtype: 'float32',
      engine: 'auto',
      deterministic: true,
      trustRemoteCode: false,
      launcher: spawnLauncher({ devices: 'cpu', threads: 1 }),
      logDirectory: join(folder, name),
      ...changes,
    })

  beforeAll(async () => {
    one = open('one')
    two = open('two', { ranks: 2, restarts: 4, sharding: 'fsdp2' })
    const textsPath = join(folder, 'texts.jsonl')
    writeFileSync(textsPath, TEXTS.map((text) => `${JSON.stringify(text)}\n`).join(''))
    const phrasePatterns = [String.raw`Every \w+`, String.raw`is a \w+`]
    await one.createTinyModel({ path: model, textsPath, phrasePatterns, architecture: ARCHITECTURE, seed: 1 })
  })
  afterAll(async () => {
    await Promise.all([one[Symbol.asyncDispose](), two[Symbol.asyncDispose]()])
    rmSync(folder, { recursive: true, force: true })
  })

  const openLora = (backend: TorchBackend, algorithm: 'sft' | 'dpo' | 'ppo' = 'sft') =>
    backend.openTraining({
      algorithm,
      target: { kind: 'new-adapter', lora: LORA },
      valueHead: algorithm === 'ppo',
      ...TRAINING,
    })

  const answers = async (session: TrainingSession): Promise<ReadonlyMap<string, string>> => {
    const requests = Array.from({ length: 80 }, (_, seed) => ({ key: `k${seed}`, prompt: 'Max', seed }))
    const found = new Map<string, string>()
    const options = { temperature: 1, topP: 1, maxNewTokens: 12, stops: [] }
    for await (const { key, text, ids } of session.generate(requests, options)) {
      found.set(key, `${text} ${ids?.join(' ')}`)
    }
    return new Map(requests.map(({ key }) => [key, found.get(key) ?? '']))
  }

  const batches: Record<string, () => Promise<{ algorithm: 'sft' | 'dpo' | 'ppo'; batch: TrainBatch }>> = {
    sft: async () => ({ algorithm: 'sft', batch: SFT }),
    dpo: async () => {
      const trajectories = EXAMPLES.map(({ prompt }, index) => ({
        prompt,
        ids: Int32Array.from({ length: index + 2 }, (_, place) => 97 + ((place * (index + 1)) % 5)),
      }))
      const policy: PolicyRef = { kind: 'base', fingerprint: (await one.info()).fingerprint }
      const scores = await one.score(trajectories, { policy })
      expect(await two.score(trajectories, { policy })).toEqual(scores)
      const pairs = [
        { chosen: 0, rejected: 2 },
        { chosen: 4, rejected: 6 },
        { chosen: 1, rejected: 3 },
        { chosen: 5, rejected: 3 },
      ]
      const loss = {
        kind: 'sigmoid',
        beta: 0.5,
        labelSmoothing: 0,
        nllCoef: 0,
        lengthNormalised: false,
      } as const
      const referenceSums = Float64Array.from(scores, ({ sum }) => sum)
      return {
        algorithm: 'dpo',
        batch: { kind: 'dpo', trajectories, pairs, referenceSums, loss, maxLength: 128 },
      }
    },
    ppo: async () => {
      const samples = EXAMPLES.map(({ prompt }, index) => {
        const ids = Int32Array.from({ length: index + 2 }, (_, place) => 97 + ((place * (index + 1)) % 5))
        const column = (scale: number) =>
          Float32Array.from(ids, (_, place) => scale * Math.sin(index + place))
        return {
          trajectory: { prompt, ids },
          oldLogprobs: Float32Array.from(ids, (_, place) => -5 + 0.1 * Math.cos(index + place)),
          advantages: column(1),
          critic: { returns: column(0.5), oldValues: column(0.1) },
        }
      })
      const loss = {
        temperature: 1,
        clipLow: 0.2,
        clipHigh: 0.2,
        valueCoef: 0.1,
        valueLearningRate: 1e-3,
        entropyCoef: 0.01,
        klCoef: 0,
        valueOnly: false,
        maxKl: 50,
      }
      return { algorithm: 'ppo', batch: { kind: 'ppo', samples, loss, maxLength: 128 } }
    },
  }

  test.each(Object.keys(batches))(
    '%s gives the losses of one, and after 20 steps its weights',
    async (kind) => {
      const { algorithm, batch } = await batches[kind]!()
      const train = async (backend: TorchBackend, name: string) => {
        await using session = await openLora(backend, algorithm)
        const losses: number[] = []
        for (let step = 1; step <= 20; step += 1) {
          losses.push((await session.step({ step, learningRate: 1e-3, batch })).loss)
        }
        const path = join(folder, `${kind}-${name}`)
        await session.save(path)
        return { losses, weights: weightsOf(path) }
      }
      const [alone, together] = [await train(one, 'one'), await train(two, 'two')]
      expect(Math.abs(together.losses[0]! - alone.losses[0]!)).toBeLessThan(1e-5 * Math.abs(alone.losses[0]!))
      expect(distance(together.weights, alone.weights)).toBeLessThan(1e-3)
    },
  )

  test('more ranks than rows: one has nothing to do and takes part', async () => {
    const batch: TrainBatch = { kind: 'sft', examples: EXAMPLES.slice(0, 1), maxLength: 128 }
    const losses = async (backend: TorchBackend) => {
      await using session = await openLora(backend)
      const first = await session.step({ step: 1, learningRate: 1e-2, batch })
      return [first.loss, (await session.step({ step: 2, learningRate: 1e-2, batch })).loss]
    }
    const [alone, together] = [await losses(one), await losses(two)]
    for (const [index, loss] of alone.entries()) expect(together[index]).toBeCloseTo(loss, 5)
  })

  test('a policy in training answers, and is scored, the same with two workers as with one', async () => {
    const start = join(folder, 'start')
    let policy: PolicyRef
    {
      await using session = await openLora(one)
      await session.step({ step: 1, learningRate: 1e-2, batch: SFT })
      policy = await session.save(start)
    }
    const ask = async (backend: TorchBackend) => {
      await using session = await backend.openTraining({
        algorithm: 'sft',
        target: { kind: 'adapter', policy },
        ...TRAINING,
      })
      const trajectories = EXAMPLES.map(({ prompt }) => ({ prompt, ids: Int32Array.of(97, 98, 99) }))
      // As PPO does it: what the frozen start says is asked for at the same time.
      const [trained, start] = await Promise.all([
        session.score(trajectories, 0.7),
        backend.score(trajectories, { policy, temperature: 0.7 }),
      ])
      expect(start.map(({ logprobs }) => logprobs)).toEqual(trained.map(({ logprobs }) => logprobs))
      return [await answers(session), trained, start]
    }
    expect(await ask(two)).toEqual(await ask(one))
  })

  test('traces are the same bytes with two workers as with one', async () => {
    const problems = Array.from({ length: 12 }, (_, index) =>
      problemSchema.parse({
        problem_id: `p${index}`,
        premises: ['Every wumpus is a tumpus.', 'Max is a wumpus.'],
        conclusion: index % 2 === 0 ? 'Max is a tumpus.' : 'Max is not a tumpus.',
        label: index % 2 === 0 ? 'TRUE' : 'FALSE',
      }),
    )
    const config = tracesSchema.parse({
      samples_per_problem: 8,
      temperature: 1,
      max_steps: 4,
      max_thought_tokens: 16,
      max_new_tokens: 16,
    })
    const collect = async (backend: TorchBackend, name: string) => {
      const policy: PolicyRef = { kind: 'base', fingerprint: (await backend.info()).fingerprint }
      const dir = join(folder, name)
      await runTraces(
        { backend, events: () => {}, resume: false },
        { dir, config, seed: 2, problems, policy },
      )
      return readFileSync(join(dir, 'traces.jsonl'), 'utf8')
    }
    const alone = await collect(one, 'traces-one')
    expect(alone.trim().split('\n')).toHaveLength(96)
    expect(await collect(two, 'traces-two')).toBe(alone)
  })

  test('what one rank cannot do no rank does, and the session goes on', async () => {
    const { batch } = await batches['dpo']!()
    if (batch.kind !== 'dpo') throw new Error('no pairs')
    const longest = batch.trajectories.reduce((most, { ids }) => Math.max(most, ids.length), 0)
    const tight = { ...batch, maxLength: longest + 2 }
    const twoSteps = async (disturbed: boolean) => {
      await using session = await openLora(two, 'dpo')
      await session.step({ step: 1, learningRate: 1e-3, batch })
      if (disturbed) {
        const refused = session.step({ step: 2, learningRate: 1e-3, batch: tight })
        const behind = session.step({ step: 3, learningRate: 1e-3, batch })
        const codes = await Promise.all([codeOf(refused), codeOf(behind)])
        expect(codes).toEqual(['prompt_too_long', 'step_out_of_order'])
      }
      const second = await session.step({ step: 2, learningRate: 1e-3, batch })
      // Were the ranks apart now, saving would find it.
      await session.save(join(folder, 'went-on'))
      return second
    }
    expect(await twoSteps(true)).toEqual(await twoSteps(false))
  })

  test('all weights, sharded: as on one rank, also over a checkpoint, and what is saved is the base', async () => {
    const train = async (backend: TorchBackend, name: string, stopAt: number | null) => {
      await backend.switchModel(model)
      const begin = () => backend.openTraining({ algorithm: 'sft', target: { kind: 'full' }, ...TRAINING })
      const steps = async (session: TrainingSession, from: number, to: number) => {
        for (let step = from; step <= to; step += 1) {
          await session.step({ step, learningRate: 1e-3, batch: SFT })
        }
      }
      const checkpoint = join(folder, `full-${name}-checkpoint`)
      if (stopAt !== null) {
        await using session = await begin()
        await steps(session, 1, stopAt)
        await session.saveCheckpoint(checkpoint, { at: stopAt })
      }
      const session = await begin()
      if (stopAt !== null) {
        expect(await session.loadCheckpoint(checkpoint)).toEqual({ step: stopAt, cursor: { at: stopAt } })
      }
      await steps(session, (stopAt ?? 0) + 1, 20)
      expect((await answers(session)).size).toBe(80)
      const path = join(folder, `full-${name}`)
      const saved = await session.save(path)
      await session[Symbol.asyncDispose]()
      expect((await backend.info()).fingerprint).toBe(saved.fingerprint)
      return weightsOf(path, 'model.safetensors')
    }
    const alone = await train(one, 'one', null)
    const together = await train(two, 'two', null)
    expect(distance(together, alone)).toBeLessThan(1e-3)
    expect(await train(two, 'resumed', 7)).toEqual(together)
    await two.switchModel(model)
    await one.switchModel(model)
  })

  test('a rank killed in the middle of training: the stage goes on, and ends with the same bytes', async () => {
    const events: RunEvent[] = []
    const run = async (name: string, kill: boolean) => {
      let victim = kill ? ((await two.stats())[1]?.pid ?? 0) : 0
      const context: StageContext = {
        backend: two,
        resume: false,
        events: (event) => {
          events.push(event)
          if (victim > 0 && event.type === 'progress' && event.done === 5) {
            process.kill(victim, 'SIGKILL')
            victim = 0
          }
        },
      }
      const config = plainSftSchema.parse({
        learning_rate: 1e-2,
        max_steps: 9,
        batch_size: 3,
        save_every: 2,
        lora: { rank: 4, dropout: 0.1 },
      })
      const start: PolicyRef = { kind: 'base', fingerprint: (await two.info()).fingerprint }
      const dir = join(folder, name)
      await runSft(context, { dir, config, seed: 3, examples: EXAMPLES, dataFingerprint: 'x', start })
      return readFileSync(join(dir, 'final', 'adapter_model.safetensors'))
    }
    const undisturbed = await run('undisturbed', false)
    expect(events.some(({ type }) => type === 'warning')).toBe(false)
    expect((await run('disturbed', true)).equals(undisturbed)).toBe(true)
    const warnings = events.filter((event) => event.type === 'warning')
    expect(warnings).toHaveLength(1)
    expect(warnings[0]?.message).toContain('Training goes on from ')
  })
})

test.skipIf(workerPython === null)(
  'a rank that stands still fails the step for all, and names itself',
  { timeout: 240_000 },
  async () => {
    const folder = mkdtempSync('/tmp/es-')
    await using backend = createTorchBackend({
      model: join(folder, 'model'),
      dtype: 'float32',
      engine: 'auto',
      deterministic: false,
      trustRemoteCode: false,
      launcher: spawnLauncher({ devices: 'cpu', threads: 1 }),
      ranks: 2,
      limits: { unreachableS: 3, silenceS: 3 },
      logDirectory: join(folder, 'logs'),
    })
    const textsPath = join(folder, 'texts.jsonl')
    writeFileSync(textsPath, '"abc"\n')
    const path = join(folder, 'model')
    await backend.createTinyModel({
      path,
      textsPath,
      phrasePatterns: [],
      architecture: ARCHITECTURE,
      seed: 1,
    })
    await using session = await backend.openTraining({
      algorithm: 'sft',
      target: { kind: 'new-adapter', lora: LORA },
      ...TRAINING,
    })
    await session.step({ step: 1, learningRate: 1e-3, batch: SFT })
    process.kill((await backend.stats())[1]?.pid ?? 0, 'SIGSTOP')
    const failed = session.step({ step: 2, learningRate: 1e-3, batch: SFT })
    await expect(failed).rejects.toMatchObject({ code: 'worker_stalled', details: { rank: 1 } })
    rmSync(folder, { recursive: true, force: true })
  },
)

/** All numbers of a safetensors file of float32 tensors, in the order of the file. */
function weightsOf(path: string, file = 'adapter_model.safetensors'): Float32Array {
  const bytes = readFileSync(join(path, file))
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length))
}

/** Relative L2 distance. */
function distance(found: Float32Array, expected: Float32Array): number {
  expect(found.length).toBe(expected.length)
  const norm = (values: Iterable<number>): number => Math.sqrt([...values].reduce((sum, x) => sum + x * x, 0))
  return norm(expected.map((value, index) => found[index]! - value)) / norm(expected)
}
