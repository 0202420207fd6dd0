import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { BackendUsage, ModelBackend } from '../../src/backends/backend.ts'
import { runStage, type StageTiming } from '../../src/backends/run-stage.ts'
import { createScriptedBackend } from '../../src/backends/scripted.ts'
import { UnderWay } from '../../src/bridge/under-way.ts'
import type { RunEvent } from '../../src/runs/events.ts'

let folder: string
/** The clock of these tests, in seconds: nothing here waits. */
let now: number
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-timing-'))
  now = 1000
  vi.spyOn(performance, 'now').mockImplementation(() => now * 1000)
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(folder, { recursive: true, force: true })
})

const IDLE: BackendUsage = { startSeconds: 0, requestSeconds: 0, workerSeconds: 0, meanWorkerSeconds: 0 }

/** A backend that says what it is told to say. */
function telling(usage: () => BackendUsage): ModelBackend {
  return { ...createScriptedBackend(() => 'text'), usage }
}

async function stage(
  backend: ModelBackend,
  work: () => void,
  resume = false,
): Promise<{ readonly timing: StageTiming | null; readonly events: readonly RunEvent[] }> {
  const events: RunEvent[] = []
  const summary = await runStage(
    { backend, resume, events: (event) => events.push(event) },
    { dir: join(folder, 'stage'), stage: 'stage', config: {}, inputs: {} },
    async () => {
      work()
      return { result: 1 }
    },
  )
  expect(summary.result).toBe(1)
  return { timing: summary.timing, events }
}

function total(timing: StageTiming | null): number {
  if (timing === null) throw new Error('no timing')
  const { start_seconds, worker_seconds, wire_seconds, typescript_seconds } = timing
  return start_seconds + worker_seconds + wire_seconds + typescript_seconds
}

describe('the timing of a stage', () => {
  test('is what happened within it, and its parts add up to its wall time', async () => {
    // Before the stage: another one's.
    let usage: BackendUsage = {
      startSeconds: 7,
      requestSeconds: 100,
      workerSeconds: 90,
      meanWorkerSeconds: 45,
    }
    const { timing } = await stage(
      telling(() => usage),
      () => {
        now += 10
        usage = { startSeconds: 9, requestSeconds: 105, workerSeconds: 94, meanWorkerSeconds: 48 }
      },
    )
    expect(timing).toEqual({
      wall_seconds: 10,
      start_seconds: 2,
      worker_seconds: 4,
      wire_seconds: 1,
      typescript_seconds: 3,
      workers_busy: 0.75,
    })
  })

  test.each([
    // Rounding: what was measured apart comes to a little more than the whole.
    { start: 0.1, requests: 0.9 + 1e-12, worker: 0.9, wall: 1 },
    { start: 1 / 3, requests: 2 / 3, worker: 2 / 3 - 1e-15, wall: 1 },
    // A worker's clock may say that it served for longer than its requests were under way.
    { start: 0, requests: 3, worker: 3.5, wall: 4 },
    { start: 0, requests: 0, worker: 0, wall: 0 },
  ])('adds up within rounding, nothing negative: %o', async ({ start, requests, worker, wall }) => {
    let usage = IDLE
    const { timing } = await stage(
      telling(() => usage),
      () => {
        now += wall
        usage = {
          startSeconds: start,
          requestSeconds: requests,
          workerSeconds: worker,
          meanWorkerSeconds: worker,
        }
      },
    )
    expect(Math.abs(total(timing) - (timing?.wall_seconds ?? Number.NaN))).toBeLessThan(1e-9)
    for (const part of Object.values(timing ?? {})) expect(part ?? 0).toBeGreaterThanOrEqual(0)
    expect(timing?.workers_busy).toBe(worker === 0 ? null : 1)
  })

  test('is null, and not zero, of a backend that does not tell', async () => {
    const { timing } = await stage(
      createScriptedBackend(() => 'text'),
      () => {
        now += 5
      },
    )
    expect(timing).toBeNull()
    const stored: unknown = JSON.parse(await readFile(join(folder, 'stage/summary.json'), 'utf8'))
    expect(stored).toEqual({ result: 1, timing: null, throughput: null })
  })

  test('of a stage that was resumed is that of the attempt that finished it; of a finished one, the stored', async () => {
    let usage = IDLE
    const backend = telling(() => usage)
    const interrupted = stage(backend, () => {
      now += 500
      usage = { startSeconds: 20, requestSeconds: 400, workerSeconds: 300, meanWorkerSeconds: 300 }
      throw new Error('interrupted')
    })
    await expect(interrupted).rejects.toThrow('interrupted')
    const { timing, events } = await stage(
      backend,
      () => {
        now += 8
        usage = { startSeconds: 20, requestSeconds: 406, workerSeconds: 305, meanWorkerSeconds: 305 }
      },
      true,
    )
    expect(timing).toEqual({
      wall_seconds: 8,
      start_seconds: 0,
      worker_seconds: 5,
      wire_seconds: 1,
      typescript_seconds: 2,
      workers_busy: 1,
    })
    expect(events.at(-1)).toMatchObject({ type: 'stage_finished', summary: { timing } })
    const again = await stage(
      backend,
      () => {
        throw new Error('done twice')
      },
      true,
    )
    expect(again.timing).toEqual(timing)
  })
})

test('what is under way at once counts once', () => {
  const underWay = new UnderWay()
  underWay.begin()
  now += 2
  underWay.begin()
  now += 3
  underWay.end()
  now += 1
  expect(underWay.seconds).toBe(6)
  underWay.end()
  now += 100
  expect(underWay.seconds).toBe(6)
  underWay.begin()
  now += 1
  expect(underWay.seconds).toBe(7)
})
