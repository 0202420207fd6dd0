import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { StepInput, StepResult, TrainingSession } from '../../src/backends/backend.ts'
import { ElenchusError } from '../../src/errors.ts'
import type { RunEvent } from '../../src/runs/events.ts'
import { runTrainingLoop, type TrainingLoop, type TrainingOutcome } from '../../src/training/loop.ts'
import { BareSession } from '../support/bare-session.ts'

let dir = ''
/** What was asked of the session and what it did, in order: `ask 2`, `take 2`, `save 4`, ... */
let log: string[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'elenchus-steps-'))
  log = []
})
afterEach(() => rm(dir, { recursive: true }))

/**
 * Does what a worker does: one request after the other, steps by number, the weight being the sum of the steps taken.
 * A step may fail of itself; a cancelled one is not taken.
 */
class QueueingSession extends BareSession {
  readonly queuesSteps: boolean
  underWay = 0
  #taken = 0
  #sum = 0
  #queue: Promise<unknown> = Promise.resolve()
  readonly #fails: (step: number) => ElenchusError | null
  readonly #signal: AbortSignal | undefined

  constructor(
    options: {
      readonly queuesSteps?: boolean
      readonly fails?: (step: number) => ElenchusError | null
      readonly signal?: AbortSignal
    } = {},
  ) {
    super()
    this.queuesSteps = options.queuesSteps ?? true
    this.#fails = options.fails ?? (() => null)
    this.#signal = options.signal
  }

  step({ step }: StepInput): Promise<StepResult> {
    log.push(`ask ${step}`)
    return this.#enqueue(async () => {
      // Longer than it takes to write the rows: whoever does not wait for it has ended before it.
      await delay(step > 5 ? 50 : 0)
      if (this.#signal?.aborted === true) throw new ElenchusError('cancelled', 'train.step was cancelled.')
      if (step !== this.#taken + 1)
        throw new ElenchusError('step_out_of_order', `${step} after ${this.#taken}`)
      const failure = this.#fails(step)
      if (failure !== null) throw failure
      log.push(`take ${step}`)
      this.#taken = step
      this.#sum += step
      return { step, loss: this.#sum, gradNorm: 1, tokens: 10, truncated: 0, metrics: {} }
    })
  }

  override saveCheckpoint(path: string, cursor: unknown): Promise<void> {
    log.push(`save ${this.#taken}`)
    return this.#enqueue(async () => {
      await mkdir(path, { recursive: true })
      const state = { step: this.#taken, sum: this.#sum, cursor }
      await writeFile(join(path, 'state.json'), JSON.stringify(state))
    })
  }

  override async loadCheckpoint(path: string): Promise<{ step: number; cursor: unknown }> {
    const text = await readFile(join(path, 'state.json'), 'utf8')
    const { step, sum, cursor } = JSON.parse(text) as { step: number; sum: number; cursor: unknown }
    this.#taken = step
    this.#sum = sum
    return { step, cursor }
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    this.underWay += 1
    const result = this.#queue.then(work).finally(() => (this.underWay -= 1))
    this.#queue = result.catch(() => undefined)
    return result
  }
}

function train(session: TrainingSession, changes: Partial<TrainingLoop> = {}): Promise<TrainingOutcome> {
  return runTrainingLoop({
    stage: 'sft',
    dir,
    session,
    config: { learning_rate: 1, warmup_ratio: 0, schedule: 'linear', save_every: 4, keep_checkpoints: 3 },
    total: 10,
    batchAt: () => ({ kind: 'tokens', rows: [] }),
    events: () => undefined,
    ...changes,
  })
}

const rows = async (): Promise<string[]> =>
  (await readFile(join(dir, 'metrics.jsonl'), 'utf8')).trim().split('\n')

/** Of a run that nothing disturbs. */
async function undisturbedRows(): Promise<string[]> {
  await train(new QueueingSession({ queuesSteps: false }))
  const undisturbed = await rows()
  await rm(dir, { recursive: true })
  await mkdir(dir)
  log = []
  return undisturbed
}

test('the next step is asked for while one is under way, but not across what the first or a checkpoint decides', async () => {
  await train(new QueueingSession(), { guardFirstStep: () => log.push('guard 1') })
  const lines = [
    'ask 1, take 1, guard 1',
    'ask 2, ask 3, take 2, ask 4, take 3, take 4, save 4',
    'ask 5, ask 6, take 5, ask 7, take 6, ask 8, take 7, take 8, save 8',
    'ask 9, ask 10, take 9, take 10',
  ]
  expect(log.join(', ')).toBe(lines.join(', '))
})

test('a session without a queue is asked for one step at a time', async () => {
  await train(new QueueingSession({ queuesSteps: false }))
  const oneByOne = Array.from({ length: 10 }, (_, index) => [`ask ${index + 1}`, `take ${index + 1}`])
  expect(log.filter((entry) => !entry.startsWith('save'))).toEqual(oneByOne.flat())
})

test('rows and outcome are those of one step at a time', async () => {
  const expected = await undisturbedRows()
  const outcome = await train(new QueueingSession())
  expect(await rows()).toEqual(expected)
  expect(outcome).toMatchObject({ steps: 10, first_loss: 1, last_loss: 55, tokens: 100 })
})

test('a guard that the first step does not pass ends the run before a second is asked for', async () => {
  const guardFirstStep = (): never => {
    throw new ElenchusError('guard_failed', 'It starts wrong.')
  }
  await expect(train(new QueueingSession(), { guardFirstStep })).rejects.toMatchObject({
    code: 'guard_failed',
  })
  expect(log).toEqual(['ask 1', 'take 1'])
})

describe('a run that ends while a step is queued behind another', () => {
  const wrong = new ElenchusError('non_finite', 'The loss of step 6 is NaN.')

  test('because the first of them fails, takes neither, and has failed with the first one', async () => {
    const expected = await undisturbedRows()
    const session = new QueueingSession({ fails: (step) => (step === 6 ? wrong : null) })
    await expect(train(session)).rejects.toBe(wrong)
    expect(log.slice(-4)).toEqual(['ask 5', 'ask 6', 'take 5', 'ask 7'])
    expect(session.underWay).toBe(0)
    expect(await rows()).toEqual(expected.slice(0, 5))
    expect(await train(new QueueingSession())).toMatchObject({ last_loss: 55, tokens: 100 })
    expect(await rows()).toEqual(expected)
  })

  test('because the second cannot even be prepared, has the first one ended before it fails', async () => {
    const session = new QueueingSession()
    const batchAt = (step: number) => {
      if (step === 7) throw wrong
      return { kind: 'tokens', rows: [] } as const
    }
    await expect(train(session, { batchAt })).rejects.toBe(wrong)
    expect(log.at(-1)).toBe('take 6')
    expect(session.underWay).toBe(0)
  })

  test.each([2, 5, 6, 7, 9])('because it is told to stop after step %i, loses nothing', async (last) => {
    const expected = await undisturbedRows()
    const stop = new AbortController()
    const session = new QueueingSession({ signal: stop.signal })
    const stopped = train(session, {
      signal: stop.signal,
      events: (event) => {
        if (event.type === 'progress' && event.done === last) stop.abort()
      },
    })
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' })
    expect(session.underWay).toBe(0)
    expect(await rows()).toEqual(expected.slice(0, last))
    expect(await train(new QueueingSession())).toMatchObject({ last_loss: 55, tokens: 100 })
    expect(await rows()).toEqual(expected)
  })

  test('because a row cannot be written, has no step under way when it fails', async () => {
    const session = new QueueingSession()
    const events = (event: RunEvent): void => {
      if (event.type === 'progress' && event.done === 5) throw wrong
    }
    await expect(train(session, { events })).rejects.toBe(wrong)
    expect(session.underWay).toBe(0)
  })
})
