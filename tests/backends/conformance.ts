import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  BACKEND_SPECIFICATION,
  type Completion,
  type GenerateOptions,
  type GenerateRequest,
  type ModelBackend,
  type PolicyRef,
  type TrainBatch,
  type TrainTarget,
  type TrainingSession,
  type Trajectory,
} from '../../src/backends/backend.ts'
import { ElenchusError } from '../../src/errors.ts'

/** A backend under test. It is made once per suite and disposed by whoever made it. */
export interface Subject {
  readonly backend: ModelBackend
  /** Prompts that its model answers with at least a few tokens more often than not. */
  readonly prompts: readonly string[]
  /** Where training may write. */
  readonly folder: string
}

/** What a backend says it can, so that its tests are known before it is started. */
export interface Offers {
  readonly score: boolean
  readonly train: boolean
  /** The same seed gives the same text. */
  readonly seeds: boolean
}

/** What every backend must do, whatever stands behind it; the rest is asked of those that offer it. */
export function describeConformance(name: string, offers: Offers, subject: () => Subject): void {
  const base = async (): Promise<PolicyRef> => {
    const { fingerprint } = await subject().backend.info()
    return { kind: 'base', fingerprint }
  }
  const options = async (changes: Partial<GenerateOptions> = {}): Promise<GenerateOptions> => ({
    policy: await base(),
    temperature: 1,
    topP: 1,
    maxNewTokens: 12,
    stops: [],
    ...changes,
  })
  const requests = (count: number): GenerateRequest[] =>
    Array.from({ length: count }, (_, index) => ({
      key: `k${index}`,
      prompt: subject().prompts[index % subject().prompts.length] ?? '',
      seed: index,
    }))
  const run = async (asked: readonly GenerateRequest[], changes: Partial<GenerateOptions> = {}) =>
    collect(subject().backend.generate(asked, await options(changes)))

  describe(`${name}: the interface`, () => {
    test('is of this version and offers exactly what its capabilities say', async () => {
      const { backend } = subject()
      expect(backend.specification).toBe(BACKEND_SPECIFICATION)
      const { score, train } = backend.capabilities
      expect({ score, train }).toEqual({ score: offers.score, train: offers.train })
      expect(backend.score !== undefined).toBe(score)
      expect(backend.openTraining !== undefined).toBe(train)
      expect((await backend.info()).fingerprint).toBe((await backend.info()).fingerprint)
    })
  })

  describe(`${name}: generate`, () => {
    test('answers every key exactly once', async () => {
      const asked = requests(40)
      const completions = await run(asked)
      expect(completions.map(({ key }) => key).sort()).toEqual(asked.map(({ key }) => key).sort())
    })

    test('answers nothing with nothing', async () => {
      expect(await run([])).toEqual([])
    })

    test('counts tokens, and has ids and log-probabilities where it says so', async () => {
      const { capabilities } = subject().backend
      for (const { ids, logprobs, numTokens, promptTokens } of await run(requests(10))) {
        expect(promptTokens).toBeGreaterThan(0)
        expect(ids?.length).toBe(capabilities.tokenIds ? numTokens : undefined)
        expect(logprobs?.length).toBe(capabilities.logprobs ? numTokens : undefined)
        expect(logprobs?.every((value) => value <= 0) ?? true).toBe(true)
      }
    })

    test('respects the limit of new tokens', async () => {
      for (const { numTokens, finishReason } of await run(requests(10), { maxNewTokens: 2 })) {
        expect(numTokens).toBeLessThanOrEqual(2)
        expect(['eos', 'length']).toContain(finishReason)
      }
    })

    test('stops where a stop has been completed as often as asked, and names it', async () => {
      const stops = [{ name: 'two', pattern: '[a-zA-Z ]', count: 2 }]
      const completions = await run(requests(20), { stops, maxNewTokens: 60 })
      const stopped = completions.filter(({ finishReason }) => finishReason === 'stop')
      expect(stopped.length).toBeGreaterThan(0)
      for (const { text, stopName } of stopped) {
        expect(stopName).toBe('two')
        expect(text.match(/[a-zA-Z ]/g)?.length).toBeGreaterThanOrEqual(2)
      }
      const others = completions.filter(({ finishReason }) => finishReason !== 'stop')
      for (const { text } of others) expect(text.match(/[a-zA-Z ]/g)?.length ?? 0).toBeLessThan(2)
    })

    test('gives the same greedy text whatever the seed', async () => {
      const prompt = subject().prompts[0] ?? ''
      const asked = [1, 2, 3].map((seed) => ({ key: String(seed), prompt, seed }))
      const texts = new Set((await run(asked, { temperature: 0 })).map(({ text }) => text))
      expect(texts.size).toBe(1)
    })

    test.skipIf(!offers.seeds)('gives the same text for the same seed, whatever else is asked', async () => {
      const asked = requests(12)
      const all = new Map((await run(asked)).map(({ key, text }) => [key, text]))
      const some = await run(asked.filter((_, index) => index % 3 === 0))
      for (const { key, text } of some) expect(text).toBe(all.get(key))
      const other = await run(asked.map(({ key, prompt, seed }) => ({ key, prompt, seed: seed + 1000 })))
      expect(other.some(({ key, text }) => text !== all.get(key))).toBe(true)
    })

    test('refuses two requests with one key', async () => {
      const asked = [...requests(1), ...requests(1)]
      expect(await codeOf(run(asked))).toBe('bad_request')
    })

    test('refuses a policy whose weights it does not have', async () => {
      const policy: PolicyRef = { kind: 'base', fingerprint: 'of something else' }
      expect(await codeOf(run(requests(1), { policy }))).toBe('stale_policy')
    })

    test('can be left early, and goes on working', async () => {
      for await (const _ of subject().backend.generate(requests(20), await options())) break
      expect((await run(requests(3))).length).toBe(3)
    })

    test('ends with `cancelled` when it is aborted', async () => {
      expect(await codeOf(run(requests(3), { signal: AbortSignal.abort() }))).toBe('cancelled')
      const controller = new AbortController()
      const stream = subject().backend.generate(requests(200), await options({ signal: controller.signal }))
      const aborted = (async () => {
        for await (const _ of stream) controller.abort()
      })()
      expect(await codeOf(aborted)).toBe('cancelled')
    })
  })

  const trajectoriesOf = (completions: readonly Completion[]): Trajectory[] => {
    const prompts = new Map(requests(completions.length).map(({ key, prompt }) => [key, prompt]))
    return completions.map(({ key, ids }) => ({
      prompt: prompts.get(key) ?? '',
      ids: ids ?? new Int32Array(0),
    }))
  }

  describe.skipIf(!offers.score)(`${name}: score`, () => {
    test('gives the log-probabilities that sampling recorded, in the order of the trajectories', async () => {
      const { backend } = subject()
      const completions = await run(requests(10))
      const trajectories = trajectoriesOf(completions)
      const scores = await backend.score?.(trajectories, { policy: await base() })
      expect(scores?.length).toBe(10)
      for (const [index, { sum, logprobs }] of scores?.entries() ?? []) {
        const recorded = Array.from(completions[index]?.logprobs ?? [])
        expect(logprobs.length).toBe(recorded.length)
        for (const [place, value] of logprobs.entries()) expect(value).toBeCloseTo(recorded[place] ?? NaN, 3)
        expect(sum).toBeCloseTo(
          logprobs.reduce((total, value) => total + value, 0),
          3,
        )
      }
    })

    test('scores nothing as nothing', async () => {
      expect(await subject().backend.score?.([], { policy: await base() })).toEqual([])
    })
  })

  describe.skipIf(!offers.train)(`${name}: training`, () => {
    const open = async (target: TrainTarget, algorithm: 'sft' | 'dpo' = 'sft'): Promise<TrainingSession> => {
      const { backend } = subject()
      if (backend.openTraining === undefined) throw new Error('It cannot train.')
      return backend.openTraining({ algorithm, target, ...TRAINING })
    }
    const examples = (): TrainBatch => ({
      kind: 'sft',
      examples: subject().prompts.map((prompt) => ({ prompt, completion: 'abc' })),
      maxLength: 128,
    })

    test('of a new adapter lowers the loss, changes its policy, and leaves the base alone', async () => {
      const greedy = { temperature: 0, maxNewTokens: 4 }
      const before = await run(requests(2), greedy)
      let policy: PolicyRef
      const losses: number[] = []
      {
        await using session = await open({ kind: 'new-adapter', lora: LORA })
        expect(session.trainableParameters).toBeGreaterThan(0)
        for (let step = 1; step <= 20; step += 1) {
          losses.push((await session.step({ step, learningRate: 0.02, batch: examples() })).loss)
        }
        policy = await session.save(join(subject().folder, 'adapter'))
      }
      expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 2)
      expect(policy).toMatchObject({ kind: 'adapter', path: join(subject().folder, 'adapter') })
      const texts = (completions: readonly Completion[]) =>
        completions.map(({ key, text }) => `${key}: ${text}`).sort()
      expect(texts(await run(requests(2), greedy))).toEqual(texts(before))
      const trained = await run(requests(2), { ...greedy, policy })
      expect(trained.map(({ text }) => text)).toEqual(['abc', 'abc'])
    })

    test('goes on from an adapter, and refuses one that is not what the policy says', async () => {
      const path = join(subject().folder, 'start')
      let policy: PolicyRef
      {
        await using session = await open({ kind: 'new-adapter', lora: LORA })
        await session.step({ step: 1, learningRate: 0.01, batch: examples() })
        policy = await session.save(path)
      }
      await using session = await open({ kind: 'adapter', policy })
      await session.step({ step: 1, learningRate: 0.01, batch: examples() })
      expect((await session.save(join(subject().folder, 'next'))).fingerprint).not.toBe(policy.fingerprint)
      const stale = { ...policy, fingerprint: 'another' }
      expect(await codeOf(open({ kind: 'adapter', policy: stale }))).toBe('stale_policy')
    })

    test('by preferences starts at ln 2 and moves apart what it is told to', async () => {
      const trajectories = trajectoriesOf(await run(requests(8)))
      const scores = (await subject().backend.score?.(trajectories, { policy: await base() })) ?? []
      await using session = await open({ kind: 'new-adapter', lora: LORA }, 'dpo')
      const batch: TrainBatch = {
        kind: 'dpo',
        trajectories,
        pairs: [
          { chosen: 0, rejected: 1 },
          { chosen: 0, rejected: 2 },
        ],
        referenceSums: Float64Array.from(scores, ({ sum }) => sum),
        loss: { kind: 'sigmoid', beta: 0.1, labelSmoothing: 0, nllCoef: 0, lengthNormalised: false },
        maxLength: 128,
      }
      const first = await session.step({ step: 1, learningRate: 0.01, batch })
      expect(first.loss).toBeCloseTo(Math.LN2, 4)
      const last = await session.step({ step: 2, learningRate: 0.01, batch })
      expect(last.loss).toBeLessThan(first.loss)
    })

    test('goes on from a checkpoint exactly where it was', async () => {
      const path = join(subject().folder, 'checkpoint-2')
      const step = (session: TrainingSession, number: number) =>
        session.step({ step: number, learningRate: 0.01, batch: examples() })
      const losses: number[] = []
      {
        await using session = await open({ kind: 'new-adapter', lora: LORA })
        await step(session, 1)
        await step(session, 2)
        await session.saveCheckpoint(path, { seen: [1, 2] })
        losses.push((await step(session, 3)).loss)
      }
      await using session = await open({ kind: 'new-adapter', lora: LORA })
      expect(await session.loadCheckpoint(path)).toEqual({ step: 2, cursor: { seen: [1, 2] } })
      expect((await step(session, 3)).loss).toBeCloseTo(losses[0] ?? NaN, 6)
    })

    test('repeats a step that is asked for twice, and refuses a gap', async () => {
      await using session = await open({ kind: 'new-adapter', lora: LORA })
      const first = await session.step({ step: 1, learningRate: 0.01, batch: examples() })
      expect(await session.step({ step: 1, learningRate: 0.01, batch: examples() })).toEqual(first)
      expect(await codeOf(session.step({ step: 3, learningRate: 0.01, batch: examples() }))).toBe(
        'step_out_of_order',
      )
    })
  })
}

const LORA = { rank: 8, alpha: 16, dropout: 0, targetModules: 'all-linear' } as const
const TRAINING = {
  optimizer: { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
  microBatchTokens: 4096,
  gradientCheckpointing: false,
  seed: 1,
} as const

async function collect(stream: AsyncIterable<Completion>): Promise<Completion[]> {
  const completions: Completion[] = []
  for await (const completion of stream) completions.push(completion)
  return completions
}

export async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action
  } catch (error) {
    if (ElenchusError.is(error)) return error.code
    throw error
  }
  return 'no error'
}
