import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { StateReporter, type WorkerStates } from '../../src/bridge/worker-states.ts'
import { generateBody, LINUX, Scene } from './harness.ts'

const states = (changes: Partial<WorkerStates>): WorkerStates => ({
  starting: 0,
  busy: 0,
  idle: 0,
  down: 0,
  ...changes,
})

const until = (holds: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(holds()).toBe(true), { timeout: 20_000 })

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test('tells changes at once, then once a second at most, and the last always', () => {
  const told: WorkerStates[] = []
  let now = states({ starting: 2 })
  const reporter = new StateReporter(
    () => now,
    (each) => told.push(each),
  )
  reporter.changed()
  reporter.changed()
  expect(told).toEqual([states({ starting: 2 })])
  for (let busy = 0; busy < 500; busy++) {
    now = busy % 2 === 0 ? states({ busy: 2 }) : states({ busy: 1, idle: 1 })
    reporter.changed()
  }
  expect(told).toHaveLength(1)
  vi.advanceTimersByTime(1000)
  expect(told.slice(1)).toEqual([states({ busy: 1, idle: 1 })])
  // Nothing has changed, nothing is told; and the next change need not wait.
  vi.advanceTimersByTime(5000)
  reporter.changed()
  expect(told).toHaveLength(2)
  now = states({ down: 2 })
  reporter.changed()
  expect(told.at(-1)).toEqual(states({ down: 2 }))
  reporter.close()
})

test.skipIf(!LINUX)(
  'a group tells of its workers: starting, idle, busy, down, and starting again',
  async () => {
    vi.useRealTimers()
    await using scene = new Scene()
    const told: WorkerStates[] = []
    await using group = await scene.start('answers', {
      ranks: 2,
      restarts: 1,
      onWorkers: (each) => told.push(each),
    })
    expect(told[0]).toEqual(states({ starting: 2 }))
    await until(() => told.some(({ idle }) => idle === 2))
    expect(group.states).toEqual(states({ idle: 2 }))
    const call = group.call('generate', generateBody(['a']), { sequences: 1 })
    // Its events are still unread, and hold what the worker can take.
    await call.result
    expect(group.states).toEqual(states({ idle: 1, busy: 1 }))
    for await (const _ of call.events) continue
    await until(() => group.states.idle === 2)
    process.kill(group.hellos[0]?.pid ?? 0, 'SIGKILL')
    await until(() => told.some(({ down }) => down === 1))
    const restarted = group.worker(0)
    await until(() => group.states.starting === 1)
    await restarted
    expect(group.states).toEqual(states({ idle: 2 }))
  },
)
