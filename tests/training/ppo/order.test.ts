import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type {
  ModelBackend,
  PpoSample,
  Score,
  StepInput,
  StepResult,
  TrainingScore,
  TrainingSession,
  Trajectory,
} from '../../../src/backends/backend.ts'
import { createScriptedBackend } from '../../../src/backends/scripted.ts'
import { ppoSchema } from '../../../src/config/ppo.ts'
import { ElenchusError } from '../../../src/errors.ts'
import { generateQuestions } from '../../../src/problems/arithmetic/generate.ts'
import { runPpoLoop } from '../../../src/training/ppo/loop.ts'
import { updatePolicy } from '../../../src/training/ppo/update.ts'
import { BareSession } from '../../support/bare-session.ts'

/** What was asked for and what ended, in order. */
let log: string[] = []
let dir = ''
beforeEach(async () => {
  log = []
  dir = await mkdtemp(join(tmpdir(), 'elenchus-ppo-order-'))
})
afterEach(() => rm(dir, { recursive: true }))

const scripted = createScriptedBackend(() => '#### 7')
const column = (ids: Int32Array) => new Float32Array(ids.length).fill(-1)

/** Says `#### 7` to everything; its steps are taken one after the other, `stopsAt` not at all. */
class FakeSession extends BareSession {
  readonly queuesSteps = true
  stopsAt = Infinity
  scoring: (trajectories: readonly Trajectory[]) => Promise<readonly TrainingScore[]> = async (given) =>
    given.map(({ ids }) => ({ logprobs: column(ids), entropies: column(ids) }))
  #queue: Promise<unknown> = Promise.resolve()

  step({ step }: StepInput): Promise<StepResult> {
    log.push(`ask ${step}`)
    const result = this.#queue.then(async () => {
      await delay(1)
      log.push(`take ${step}`)
      const applied = step === this.stopsAt ? 0 : 1
      const metrics = { applied, ratio_deviation: 0, mean_abs_log_ratio: 0, approx_kl: 0, ratio_max: 1 }
      return { step, loss: 1, gradNorm: 1, tokens: 1, truncated: 0, metrics }
    })
    this.#queue = result
    return result
  }

  override generate: TrainingSession['generate'] = async function* (requests, options) {
    const policy = { kind: 'base', fingerprint: 'scripted' } as const
    for await (const each of scripted.generate(requests, { ...options, policy })) {
      yield { ...each, promptTokens: 3 }
    }
  }

  override async score(trajectories: readonly Trajectory[]): Promise<readonly TrainingScore[]> {
    log.push('ask old')
    try {
      return await this.scoring(trajectories)
    } finally {
      log.push('end old')
    }
  }
}

describe('the steps of an iteration', () => {
  const samples: PpoSample[] = Array.from({ length: 5 }, (_, index) => {
    const ids = Int32Array.of(index)
    return { trajectory: { prompt: '', ids }, oldLogprobs: column(ids), advantages: column(ids) }
  })
  const update = (session: TrainingSession, targetKl: number | null) =>
    updatePolicy({
      session,
      config: ppoSchema.parse({ algorithm: 'rloo', mini_batch_size: 2, target_kl: targetKl }),
      samples,
      iteration: 1,
      step: 4,
      klCoef: 0,
      maxLength: 9,
      dtype: 'float32',
      seed: 1,
    })

  test('are queued behind the first, whose ratios must be 1', async () => {
    expect(await update(new FakeSession(), null)).toMatchObject({ step: 10, stoppedEarly: false })
    const lines = [
      'ask 5, take 5',
      'ask 6, ask 7, take 6',
      'ask 8, take 7, ask 9, take 8, ask 10, take 9, take 10',
    ]
    expect(log.join(', ')).toBe(lines.join(', '))
  })

  test('are not where each may be the last: none is asked for behind the one that is', async () => {
    const session = new FakeSession()
    session.stopsAt = 7
    expect(await update(session, 0.1)).toMatchObject({ step: 7, stoppedEarly: true })
    expect(log.join(', ')).toBe('ask 5, take 5, ask 6, take 6, ask 7, take 7')
  })
})

test('the answers to a question go into one mini-batch, unless it is full', async () => {
  const asked: string[][] = []
  const session = new FakeSession()
  const step = session.step.bind(session)
  session.step = (input) => {
    if (input.batch.kind === 'ppo') asked.push(input.batch.samples.map(({ trajectory }) => trajectory.prompt))
    return step(input)
  }
  await updatePolicy({
    session,
    config: ppoSchema.parse({ algorithm: 'grpo', mini_batch_size: 16, num_epochs: 3 }),
    samples: Array.from({ length: 80 }, (_, index) => {
      const ids = Int32Array.of(index)
      const prompt = `question ${Math.floor(index / 8)}`
      return { trajectory: { prompt, ids }, oldLogprobs: column(ids), advantages: column(ids) }
    }),
    iteration: 1,
    step: 0,
    klCoef: 0,
    maxLength: 9,
    dtype: 'float32',
    seed: 1,
  })
  expect(asked.map((prompts) => new Set(prompts).size)).toEqual(Array.from({ length: 15 }, () => 2))
  const epochs = [0, 5, 10].map((start) => asked.slice(start, start + 5).flat())
  expect(epochs.map((prompts) => new Set(prompts).size)).toEqual([10, 10, 10])
  expect(epochs[0]).not.toEqual(epochs[1])
})

describe('the scores of the policy and of its start', () => {
  const run = (session: TrainingSession, score: ModelBackend['score']) =>
    runPpoLoop({
      context: {
        backend: { ...scripted, capabilities: { ...scripted.capabilities, score: true }, score: score! },
        events: () => undefined,
        resume: false,
      },
      stage: 'ppo',
      dir,
      session,
      config: ppoSchema.parse({ algorithm: 'rloo', n_samples: 2, batch_size: 2, group_size: 2 }),
      seed: 1,
      questions: generateQuestions({ count: 2, seed: 1, split: 'train' }),
      reference: { kind: 'base', fingerprint: 'scripted' },
      dtype: 'float32',
    })
  const scores = (given: readonly Trajectory[]): readonly Score[] =>
    given.map(({ ids }) => ({ sum: -ids.length, logprobs: column(ids) }))

  test('are asked for at once', async () => {
    const session = new FakeSession()
    let askedToo = (): void => undefined
    const both = new Promise<void>((resolve) => (askedToo = resolve))
    session.scoring = async (given) => {
      await both
      return given.map(({ ids }) => ({ logprobs: column(ids), entropies: column(ids) }))
    }
    const outcome = await run(session, async (given) => {
      log.push('ask start')
      askedToo()
      return scores(given)
    })
    expect(log.slice(0, 3)).toEqual(['ask old', 'ask start', 'end old'])
    expect(outcome.last.kl).toBe(0)
  })

  const lost = new ElenchusError('worker_died', 'Worker 1 died.')

  test('fail with the policy, once those of the start have been called off', async () => {
    const session = new FakeSession()
    session.scoring = () => Promise.reject(lost)
    const running = run(session, async (_, { signal }) => {
      await delay(60_000, null, { signal: signal! }).catch(() => undefined)
      log.push('end start')
      throw new ElenchusError('cancelled', 'score was cancelled.')
    })
    await expect(running).rejects.toBe(lost)
    expect(log).toEqual(['ask old', 'end old', 'end start'])
  })

  test('fail with the start, once those of the policy have ended', async () => {
    const session = new FakeSession()
    session.scoring = async () => {
      await delay(50)
      return []
    }
    await expect(run(session, () => Promise.reject(lost))).rejects.toBe(lost)
    expect(log).toEqual(['ask old', 'end old'])
  })
})
