import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Channel } from '../../src/backends/channel.ts'
import { wholePrompts } from '../../src/backends/torch/generate.ts'
import { dealOut, type Lane } from '../../src/backends/torch/lanes.ts'
import { ElenchusError } from '../../src/errors.ts'
import { roomOf } from '../../src/backends/torch/room.ts'
import { codeOf } from './conformance.ts'
import { sequences, simulate, type Sequence } from './step-model.ts'

interface Item {
  readonly number: number
  done: boolean
}

/** Deals `count` items to lanes whose `serve` is given; tells which chunks every lane got. */
async function deal(
  count: number,
  serves: readonly ((chunk: readonly Item[], signal: AbortSignal) => Promise<void>)[],
  ready: (lane: number) => Promise<number> = () => Promise.resolve(100),
): Promise<{ items: Item[]; chunks: number[][] }> {
  const items = Array.from({ length: count }, (_, number) => ({ number, done: false }))
  const chunks: number[][] = serves.map(() => [])
  const lanes = serves.map((serve, index) => ({
    ready: async () => ({ takes: await ready(index), sideBySide: 1 }),
    serve,
    index,
  }))
  await dealOut<Item, Lane & (typeof lanes)[number]>({
    items,
    lanes,
    chunkSize: (_items, most) => most,
    isDone: (item) => item.done,
    describe: ({ number }) => `Item ${number}`,
    serve: async (lane, chunk, signal) => {
      chunks[lane.index]?.push(chunk.length)
      await lane.serve(chunk, signal)
    },
  })
  return { items, chunks }
}

const gone = () => new ElenchusError('worker_died', 'It died.')
const all = async (chunk: readonly Item[]): Promise<void> => {
  for (const item of chunk) item.done = true
}

describe('dealing out', () => {
  test('gives one lane everything it takes at once', async () => {
    const { items, chunks } = await deal(250, [all])
    expect(chunks).toEqual([[100, 100, 50]])
    expect(items.every(({ done }) => done)).toBe(true)
  })

  test('gives a fast lane more than a slow one, in shrinking chunks', async () => {
    const slow = async (chunk: readonly Item[]): Promise<void> => {
      await delay(100)
      await all(chunk)
    }
    const { items, chunks } = await deal(400, [all, slow])
    expect(items.every(({ done }) => done)).toBe(true)
    expect(chunks[1]).toHaveLength(1)
    expect(chunks[0]?.at(-1)).toBeLessThan(chunks[0]?.[0] ?? 0)
  })

  test('gives what a dead lane left undone to another', async () => {
    const dies = async (chunk: readonly Item[]): Promise<void> => {
      await all(chunk.slice(0, 3))
      throw gone()
    }
    let alive = true
    const { items } = await deal(100, [dies, all], async (lane) => {
      if (lane === 0 && !alive) throw gone()
      if (lane === 0) alive = false
      return 100
    })
    expect(items.every(({ done }) => done)).toBe(true)
  })

  test('fails with the death of the last lane', async () => {
    expect(await codeOf(deal(10, [all, all], () => Promise.reject(gone())))).toBe('worker_died')
  })

  test('finds the item that kills every worker, does the others, and names it', async () => {
    const poisoned = 137
    const sizes: number[] = []
    const serve = async (chunk: readonly Item[]): Promise<void> => {
      if (!chunk.some(({ number }) => number === poisoned)) return all(chunk)
      sizes.push(chunk.length)
      throw gone()
    }
    const failure = await deal(250, [serve]).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'deadly_request', details: { request: 'Item 137', deaths: 4 } })
    expect(String(failure)).toMatch(
      /Item 137 ended 4 workers, 2 of them while it was all they did.*It died\./,
    )
    expect(sizes).toEqual([100, 16, 1, 1])
  })

  test('goes on at full size with what no worker has died over', async () => {
    let alive = true
    const diesOnce = async (chunk: readonly Item[]): Promise<void> => {
      if (!alive) return all(chunk)
      alive = false
      throw gone()
    }
    const { chunks } = await deal(300, [diesOnce])
    expect(chunks).toEqual([[100, 16, 16, 16, 16, 16, 16, 4, 100, 100]])
  })

  test('does not believe a worker that answers without its items', async () => {
    expect(await codeOf(deal(10, [() => Promise.resolve()]))).toBe('protocol_violation')
  })

  test('stops everybody at a failure that is the work’s own', async () => {
    const wrong = () => Promise.reject(new ElenchusError('bad_request', 'No.'))
    let stopped = false
    const slow = async (_chunk: readonly Item[], signal: AbortSignal): Promise<void> => {
      await delay(10_000, null, { signal }).catch(() => (stopped = true))
      throw new ElenchusError('cancelled', 'Stopped.')
    }
    expect(await codeOf(deal(200, [slow, wrong]))).toBe('bad_request')
    expect(stopped).toBe(true)
  })
})

describe('chunks of requests', () => {
  const requests = ['a', 'a', 'b', 'b', 'b'].map((prompt, seed) => ({ key: `${seed}`, prompt, seed }))

  test('keep the samples of a prompt together where they can', () => {
    expect([1, 2, 3, 4, 5].map((most) => wholePrompts(requests, most, most))).toEqual([1, 2, 2, 2, 5])
    // They may grow for it.
    expect([1, 2, 3, 4, 5].map((wanted) => wholePrompts(requests, wanted, wanted + 1))).toEqual([
      2, 2, 2, 5, 5,
    ])
  })
})

describe('lanes that do many side by side', () => {
  const SLOTS = 512
  const lanesOf = (count: number, takes = 4096) =>
    Array.from({ length: count }, () => ({ takes, sideBySide: SLOTS, slots: SLOTS }))
  const tokensOf = (items: readonly Sequence[]) => items.reduce((sum, { length }) => sum + length, 0)

  test.each([1, 2, 4, 8])('get the 500 x 8 rollouts in one request each: %i lanes', async (count) => {
    const items = sequences(500, 8, 512, 42)
    const { time, chunks } = await simulate(items, lanesOf(count))
    expect(chunks.map(({ length }) => length)).toEqual(Array.from({ length: count }, () => 1))
    // As an engine fills its slots, no order of requests is faster than this by more than its longest sequence.
    const bound = tokensOf(items) / SLOTS / count
    expect(time).toBeLessThanOrEqual(bound + 512)
    for (const [chunk] of chunks)
      expect(Math.abs((chunk?.length ?? 0) - 4000 / count)).toBeLessThanOrEqual(8 * count)
  })

  test('take the steps that docs/scaling.md says', async () => {
    const steps = async (count: number, sideBySide: number): Promise<number> => {
      const lanes = lanesOf(count).map(({ takes, slots }) => ({ takes, slots, sideBySide }))
      return (await simulate(sequences(500, 8, 512, 1), lanes)).time
    }
    expect([await steps(4, SLOTS), await steps(8, SLOTS)]).toEqual([713, 511])
    expect([await steps(4, 1), await steps(8, 1)]).toEqual([3986, 3376])
  })

  test('never get samples of one prompt apart', async () => {
    for (const count of [3, 8]) {
      const { chunks } = await simulate(sequences(53, 8, 512, 7), lanesOf(count))
      const prompts = chunks.flat().map((chunk) => new Set(chunk.map(({ prompt }) => prompt)))
      expect(prompts.reduce((sum, { size }) => sum + size, 0)).toBe(53)
    }
  })

  test('share what is more than they take at once, and take no crumbs of it', async () => {
    const items = sequences(2000, 8, 512, 3)
    const { time, chunks } = await simulate(items, lanesOf(2, 2048))
    const sizes = chunks.flat().map(({ length }) => length)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2048)
    expect(sizes.filter((size) => size < SLOTS).length).toBeLessThanOrEqual(1)
    // 16,000 over two, 2,048 at once: four requests and one of what is left, each with an end of its own.
    const most = Math.max(...chunks.map(({ length }) => length))
    expect(most).toBeLessThanOrEqual(5)
    expect(time).toBeLessThanOrEqual(tokensOf(items) / SLOTS / 2 + most * 512)
  })

  test('do what a lane left behind together', async () => {
    let died = false
    const sizes: number[] = []
    const items = Array.from({ length: 90 }, () => ({ done: false }))
    const lanes = [0, 1, 2, 3].map((index) => ({
      index,
      ready: () =>
        index === 0 && died ? Promise.reject(gone()) : Promise.resolve({ takes: 100, sideBySide: 512 }),
    }))
    await dealOut<{ done: boolean }, Lane & (typeof lanes)[number]>({
      items,
      lanes,
      chunkSize: (_items, wanted) => wanted,
      isDone: ({ done }) => done,
      describe: () => 'An item',
      serve: async ({ index }, chunk) => {
        await delay(index === 0 ? 20 : 1)
        if (index === 0) {
          died = true
          throw gone()
        }
        sizes.push(chunk.length)
        for (const item of chunk) item.done = true
      },
    })
    // 90 over four; then the 23 of the first over the three that are left.
    expect(sizes).toEqual([23, 22, 22, 8, 8, 7])
  })

  test('are told by the device that a worker greets with', () => {
    expect(roomOf({ credits: 1024, device: 'cpu' })).toEqual({ takes: 1024, sideBySide: 1 })
    const { sideBySide } = roomOf({ credits: 4096, device: 'cuda:3' })
    const decoder = readFileSync(
      join(import.meta.dirname, '../../py-runtime/elenchus_runtime/decoder.py'),
      'utf8',
    )
    expect(decoder).toContain(`ACCELERATOR_SLOTS = ${sideBySide}\n`)
  })
})

describe('a channel', () => {
  test('makes producers wait for a slow consumer', async () => {
    const channel = new Channel<{ n: number }>(2)
    let pushed = 0
    const producing = (async () => {
      for (let n = 0; n < 5; n += 1) {
        await channel.push({ n })
        pushed += 1
      }
      channel.end(null)
    })()
    await delay(20)
    expect(pushed).toBe(2)
    const seen: number[] = []
    for await (const { n } of channel.read()) seen.push(n)
    await producing
    expect(seen).toEqual([0, 1, 2, 3, 4])
  })

  test('gives what was pushed before its error, and frees producers at its end', async () => {
    const channel = new Channel<{ n: number }>(1)
    await channel.push({ n: 1 })
    const waiting = channel.push({ n: 2 })
    channel.end(new Error('over'))
    await waiting
    const seen: number[] = []
    const reading = (async () => {
      for await (const { n } of channel.read()) seen.push(n)
    })()
    await expect(reading).rejects.toThrow('over')
    expect(seen).toEqual([1])
  })
})
