import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OrderedWriter, type RecordSink } from '../../src/runs/ordered.ts'

/** Collects records; each write takes a turn of the event loop, and can be made to fail. */
class Collector implements RecordSink {
  readonly records: unknown[] = []
  failAt: number | undefined

  async write(record: unknown): Promise<void> {
    await new Promise(setImmediate)
    if (this.records.length === this.failAt) throw new Error('disk full')
    this.records.push(record)
  }
}

/** Whether a promise is settled after everything that could move has moved. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false
  const mark = (): void => {
    done = true
  }
  promise.then(mark, mark)
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  return done
}

test('writes in index order, whatever the order of arrival, and never holds more than the capacity', () =>
  fc.assert(
    fc.asyncProperty(
      fc
        .integer({ min: 0, max: 30 })
        .chain((n) => fc.shuffledSubarray([...Array(n).keys()], { minLength: n })),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 3 }),
      async (arrival, capacity, perIndex) => {
        const sink = new Collector()
        const writer = new OrderedWriter(sink, { next: 10, capacity })
        const recordsOf = (index: number): string[] =>
          Array.from({ length: perIndex }, (_, sample) => `${index}.${sample}`)
        await Promise.all(
          arrival.map(async (offset) => {
            await writer.put(10 + offset, recordsOf(10 + offset))
            expect(10 + offset).toBeLessThanOrEqual(writer.next + capacity)
          }),
        )
        await writer.close()
        expect(sink.records).toEqual([...arrival.keys()].flatMap((offset) => recordsOf(10 + offset)))
        expect(writer.next).toBe(10 + arrival.length)
      },
    ),
  ))

test('who is too far ahead waits; the next one never does', async () => {
  const sink = new Collector()
  const writer = new OrderedWriter(sink, { next: 0, capacity: 2 })
  const far = writer.put(3, ['d'])
  expect(await settled(writer.put(2, ['c']))).toBe(true)
  expect(await settled(far)).toBe(false)
  await writer.put(0, ['a'])
  expect(await settled(far)).toBe(true)
  expect(sink.records).toEqual(['a'])
  await writer.put(1, ['b'])
  await writer.close()
  expect(sink.records).toEqual(['a', 'b', 'c', 'd'])
})

test('an index comes once', async () => {
  const writer = new OrderedWriter(new Collector(), { next: 1, capacity: 2 })
  await writer.put(2, ['c'])
  await expect(writer.put(2, ['c'])).rejects.toThrow(/index 2 were put twice/)
  await expect(writer.put(0, ['a'])).rejects.toThrow(/index 0 were put twice/)
  await writer.put(1, ['b'])
  await expect(writer.put(1, ['b'])).rejects.toThrow(/index 1 were put twice/)
})

describe('closing', () => {
  test('names the gap', async () => {
    const writer = new OrderedWriter(new Collector(), { next: 0, capacity: 4 })
    await writer.put(0, ['a'])
    await writer.put(2, ['c'])
    await expect(writer.close()).rejects.toThrow('The records of index 1 are missing; 1 later ones wait')
  })

  test('after an abort drops what waits, and releases who waits', async () => {
    const sink = new Collector()
    const writer = new OrderedWriter(sink, { next: 0, capacity: 1 })
    await writer.put(1, ['b'])
    const waiting = writer.put(5, ['f'])
    await writer.close({ aborted: true })
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' })
    expect(sink.records).toEqual([])
  })

  test('waits for writing under way', async () => {
    const sink = new Collector()
    const writer = new OrderedWriter(sink, { next: 0, capacity: 9 })
    await writer.put(1, ['b', 'c'])
    await writer.put(0, ['a'])
    await writer.close()
    expect(sink.records).toEqual(['a', 'b', 'c'])
  })
})

test('a failing sink fails everybody: who writes, who waits, who comes later, and close', async () => {
  const sink = new Collector()
  sink.failAt = 1
  const writer = new OrderedWriter(sink, { next: 0, capacity: 1 })
  const far = writer.put(5, ['f'])
  const farError = far.catch((error: unknown) => error)
  await expect(writer.put(0, ['a', 'b'])).rejects.toThrow('disk full')
  expect(await farError).toEqual(new Error('disk full'))
  await expect(writer.put(1, ['c'])).rejects.toThrow('disk full')
  await expect(writer.close()).rejects.toThrow('disk full')
  expect(sink.records).toEqual(['a'])
})
