import { expect, test } from 'vitest'
import { EventStream, fanOut, type RunEvent } from '../../src/runs/events.ts'

const warning = (message: string, stage = 'a'): RunEvent => ({ type: 'warning', stage, message })
const progress = (done: number, stage = 'a'): RunEvent => ({ type: 'progress', stage, done, unit: 'steps' })

async function collect(stream: EventStream): Promise<RunEvent[]> {
  const events: RunEvent[] = []
  for await (const event of stream) events.push(event)
  return events
}

test('a consumer that keeps up sees every event, in order, until the end', async () => {
  const stream = new EventStream()
  const seen = collect(stream)
  for (let done = 1; done <= 3; done++) {
    stream.sink(progress(done))
    await new Promise(setImmediate)
  }
  stream.end()
  stream.sink(warning('too late'))
  expect(await seen).toEqual([progress(1), progress(2), progress(3)])
})

test('for one that does not, old progress makes room for new, and nothing else is lost', async () => {
  const stream = new EventStream()
  for (let done = 1; done <= 1000; done++) {
    stream.sink(progress(done))
    stream.sink(progress(done, 'b'))
  }
  stream.sink(warning('x'))
  stream.sink(progress(1001))
  stream.end()
  expect(await collect(stream)).toEqual([progress(1000), progress(1000, 'b'), warning('x'), progress(1001)])
})

test('of the states of workers the latest waits', async () => {
  const stream = new EventStream()
  const workers = (busy: number): RunEvent => ({
    type: 'workers',
    stage: 'backend',
    starting: 0,
    busy,
    idle: 0,
    down: 0,
  })
  for (let busy = 0; busy < 1000; busy++) {
    stream.sink(workers(busy))
    stream.sink(progress(busy))
  }
  stream.end()
  expect(await collect(stream)).toEqual([workers(999), progress(999)])
})

test('fanOut passes each event to all', () => {
  const seen: string[] = []
  fanOut(
    (event) => void seen.push(`1 ${event.type}`),
    (event) => void seen.push(`2 ${event.type}`),
  )(warning('x'))
  expect(seen).toEqual(['1 warning', '2 warning'])
})
