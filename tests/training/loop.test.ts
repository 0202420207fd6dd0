import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { StepResult, TrainingSession } from '../../src/backends/backend.ts'
import { runTrainingLoop } from '../../src/training/loop.ts'
import { BareSession } from '../support/bare-session.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'elenchus-loop-'))
})
afterEach(() => rm(dir, { recursive: true }))

/** Steps whose loss is 1 / step, checkpoints that hold their step and cursor; dies at one step if told to. */
class CountingSession extends BareSession {
  readonly seen: number[] = []
  #step = 0
  readonly #diesAt: number

  constructor(diesAt = Infinity) {
    super()
    this.#diesAt = diesAt
  }

  async step({ step }: { readonly step: number }): Promise<StepResult> {
    if (step === this.#diesAt) throw new Error('killed')
    this.seen.push(step)
    this.#step = step
    return { step, loss: 1 / step, gradNorm: 1, tokens: 10, truncated: 1, metrics: {} }
  }

  override async saveCheckpoint(path: string, cursor: unknown): Promise<void> {
    await mkdir(path)
    await writeFile(join(path, 'state.json'), JSON.stringify({ step: this.#step, cursor }))
  }

  override async loadCheckpoint(path: string): Promise<{ step: number; cursor: unknown }> {
    return JSON.parse(await readFile(join(path, 'state.json'), 'utf8')) as { step: number; cursor: unknown }
  }
}

function train(session: TrainingSession) {
  return runTrainingLoop({
    stage: 'sft',
    dir,
    session,
    config: { learning_rate: 1, warmup_ratio: 0, schedule: 'constant', save_every: 4, keep_checkpoints: 1 },
    total: 10,
    batchAt: () => ({ kind: 'tokens', rows: [] }),
    events: () => {},
  })
}

test('a resumed run counts what came before it, and steps done again once', async () => {
  await expect(train(new CountingSession(7))).rejects.toThrow('killed')
  const resumed = new CountingSession()
  const outcome = await train(resumed)
  expect(resumed.seen).toEqual([5, 6, 7, 8, 9, 10])
  expect(outcome).toMatchObject({ steps: 10, first_loss: 1, last_loss: 0.1, tokens: 100, truncated: 10 })
  const rows = (await readFile(join(dir, 'metrics.jsonl'), 'utf8')).trim().split('\n')
  expect(rows.map((row) => (JSON.parse(row) as { step: number }).step)).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
  ])
})

test('a checkpoint of something else is refused', async () => {
  const path = join(dir, 'checkpoint-4')
  await mkdir(path)
  await writeFile(join(path, 'state.json'), JSON.stringify({ step: 4, cursor: { questions: 3 } }))
  await expect(train(new CountingSession())).rejects.toMatchObject({ code: 'checkpoint_corrupt' })
})
