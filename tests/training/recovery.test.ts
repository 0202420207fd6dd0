import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { StepResult, TrainingOptions, TrainingSession } from '../../src/backends/backend.ts'
import { createScriptedBackend } from '../../src/backends/scripted.ts'
import { ElenchusError } from '../../src/errors.ts'
import type { RunEvent } from '../../src/runs/events.ts'
import { runTrainingLoop, type TrainingOutcome } from '../../src/training/loop.ts'
import { trainWithRecovery } from '../../src/training/recovery.ts'
import { BareSession } from '../support/bare-session.ts'

let dir = ''
let events: RunEvent[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'elenchus-recovery-'))
  events = []
})
afterEach(() => rm(dir, { recursive: true }))

const died = () => new ElenchusError('worker_died', 'Worker 0 died: it was ended by SIGKILL.\nIts log: ...')

/** A session whose weight is the sum of the steps taken, so that a step lost or taken twice shows. */
class SummingSession extends BareSession {
  #sum = 0
  #step = 0
  readonly #dies: (step: number) => boolean

  constructor(dies: (step: number) => boolean = () => false) {
    super()
    this.#dies = dies
  }

  async step({ step }: { readonly step: number }): Promise<StepResult> {
    if (this.#dies(step)) throw died()
    if (step !== this.#step + 1) throw new ElenchusError('step_out_of_order', `${step} after ${this.#step}`)
    this.#step = step
    this.#sum += step
    return { step, loss: this.#sum, gradNorm: 1, tokens: 10, truncated: 0, metrics: {} }
  }

  override async saveCheckpoint(path: string, cursor: unknown): Promise<void> {
    await mkdir(path, { recursive: true })
    const state = { step: this.#step, sum: this.#sum, cursor }
    await writeFile(join(path, 'state.json'), JSON.stringify(state))
  }

  override async loadCheckpoint(path: string): Promise<{ step: number; cursor: unknown }> {
    const text = await readFile(join(path, 'state.json'), 'utf8')
    if (text === 'damaged') throw new ElenchusError('checkpoint_corrupt', `${path}: it is damaged.`)
    const { step, sum, cursor } = JSON.parse(text) as { step: number; sum: number; cursor: unknown }
    this.#step = step
    this.#sum = sum
    return { step, cursor }
  }
}

function train(open: () => TrainingSession, total = 10): Promise<TrainingOutcome> {
  const context = {
    backend: Object.assign(
      createScriptedBackend(() => ''),
      {
        capabilities: { ...createScriptedBackend(() => '').capabilities, train: true },
        openTraining: () => Promise.resolve().then(open),
      },
    ),
    events: (event: RunEvent) => events.push(event),
    resume: true,
  }
  const options: TrainingOptions = {
    algorithm: 'sft',
    target: { kind: 'full' },
    optimizer: { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
    microBatchTokens: 1,
    gradientCheckpointing: false,
    seed: 1,
  }
  return trainWithRecovery(context, { stage: 'sft', dir }, options, (session) =>
    runTrainingLoop({
      stage: 'sft',
      dir,
      session,
      config: { learning_rate: 1, warmup_ratio: 0, schedule: 'constant', save_every: 3, keep_checkpoints: 2 },
      total,
      batchAt: () => ({ kind: 'sft', examples: [], maxLength: 1 }),
      events: context.events,
    }),
  )
}

const warnings = (): string[] => events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))

async function steps(): Promise<number[]> {
  const rows = (await readFile(join(dir, 'metrics.jsonl'), 'utf8')).trim().split('\n')
  return rows.map((row) => (JSON.parse(row) as { step: number }).step)
}

describe('a worker that dies in training', () => {
  test('costs the steps since the last checkpoint, which are taken again', async () => {
    const deaths = new Set([2, 5, 8])
    const outcome = await train(() => new SummingSession((step) => deaths.delete(step)))
    // 1 + 2 + ... + 10, and ten tokens for each step once.
    expect(outcome).toMatchObject({ steps: 10, last_loss: 55, first_loss: 1, tokens: 100 })
    expect(await steps()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    const goesOn = (from: string) =>
      `Worker 0 died: it was ended by SIGKILL. Training goes on from ${from} (1 of`
    const places = ['its beginning', join(dir, 'checkpoint-3'), join(dir, 'checkpoint-6')]
    expect(warnings()).toEqual(places.map((place) => expect.stringContaining(goesOn(place)) as string))
  })

  test('is what a lost step is taken for, when the one behind it comes first', async () => {
    let lost = false
    const outcome = await train(
      () =>
        new SummingSession((step) => {
          if (step !== 5 || lost) return false
          lost = true
          throw new ElenchusError('step_out_of_order', 'Step 5 was asked for, the next one is 4.')
        }),
    )
    expect(outcome).toMatchObject({ steps: 10, last_loss: 55, tokens: 100 })
    expect(warnings()).toEqual([expect.stringContaining('Training goes on from')])
  })

  test('again and again at the same place ends the stage, with the checkpoint kept', async () => {
    let opened = 0
    const training = train(() => {
      opened++
      return new SummingSession((step) => step === 5)
    })
    await expect(training).rejects.toMatchObject({ code: 'worker_died' })
    // Once at the beginning; the first death came after a new checkpoint, so four more count from there.
    expect(opened).toBe(5)
    // Mended, it goes on where it stood.
    expect(await train(() => new SummingSession())).toMatchObject({ last_loss: 55 })
  })

  test.each(['guard_failed', 'non_finite', 'deadly_request'] as const)(
    'is not what another failure is taken for: %s',
    async (code) => {
      let opened = 0
      const training = train(() => {
        opened++
        throw new ElenchusError(code, 'No.')
      })
      await expect(training).rejects.toMatchObject({ code })
      expect(opened).toBe(1)
    },
  )
})

test('a row that does not fit into memory ends the stage with its checkpoint kept, and what to change', async () => {
  const training = train(
    () =>
      new SummingSession((step) => {
        if (step === 5) throw new ElenchusError('out_of_memory', 'A single row does not fit into memory.')
        return false
      }),
  )
  await expect(training).rejects.toMatchObject({
    code: 'out_of_memory',
    hint: expect.stringContaining('--gradient-checkpointing'),
  })
  expect(warnings()).toEqual([])
  expect(await train(() => new SummingSession())).toMatchObject({ last_loss: 55 })
})

describe('a damaged checkpoint', () => {
  const damage = (number: number): Promise<void> =>
    writeFile(join(dir, `checkpoint-${number}`, 'state.json'), 'damaged')
  const stopped = () => train(() => new SummingSession((step) => step === 8)).catch(() => undefined)

  test('is passed over for the one before it, with a warning', async () => {
    await stopped()
    await damage(6)
    events = []
    expect(await train(() => new SummingSession())).toMatchObject({ last_loss: 55, tokens: 100 })
    expect(warnings()).toEqual([
      `${join(dir, 'checkpoint-6')}: it is damaged. Training goes on from ${join(dir, 'checkpoint-3')}, the one before it.`,
    ])
  })

  test('without another is refused by name, and says what to do', async () => {
    await stopped()
    await damage(3)
    await damage(6)
    const training = train(() => new SummingSession())
    await expect(training).rejects.toMatchObject({
      code: 'checkpoint_corrupt',
      message: expect.stringContaining('checkpoint-6'),
      hint: expect.stringContaining('--resume'),
    })
  })
})
