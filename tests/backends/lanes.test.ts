import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Channel } from '../../src/backends/channel.ts'
import { wholePrompts } from '../../src/backends/torch/generate.ts'
import { dealOut, type Lane } from '../../src/backends/torch/lanes.ts'
import { ElenchusError } from '../../src/errors.ts'
import { codeOf } from './conformance.ts'

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
  const lanes = serves.map((serve, index) => ({ ready: () => ready(index), serve, index }))
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

const died = () => new ElenchusError('worker_died', 'It died.')
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
      throw died()
    }
    let alive = true
    const { items } = await deal(100, [dies, all], async (lane) => {
      if (lane === 0 && !alive) throw died()
      if (lane === 0) alive = false
      return 100
    })
    expect(items.every(({ done }) => done)).toBe(true)
  })

  test('fails with the death of the last lane', async () => {
    expect(await codeOf(deal(10, [all, all], () => Promise.reject(died())))).toBe('worker_died')
  })

  test('finds the item that kills every worker, does the others, and names it', async () => {
    const poisoned = 137
    const sizes: number[] = []
    const serve = async (chunk: readonly Item[]): Promise<void> => {
      if (!chunk.some(({ number }) => number === poisoned)) return all(chunk)
      sizes.push(chunk.length)
      throw died()
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
      throw died()
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
    expect([1, 2, 3, 4, 5].map((most) => wholePrompts(requests, most))).toEqual([1, 2, 2, 2, 5])
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
