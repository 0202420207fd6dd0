import { setImmediate as turn } from 'node:timers/promises'
import { wholePrompts } from '../../src/backends/torch/generate.ts'
import { dealOut, type Lane } from '../../src/backends/torch/lanes.ts'
import { deriveSeed, Rng } from '../../src/random.ts'

/** A sequence to be sampled. */
export interface Sequence {
  readonly key: string
  readonly prompt: string
  readonly seed: number
  /** Tokens it will have. */
  readonly length: number
  done: boolean
}

/** Groups of samples with lengths drawn from a seed: 40 to `longest`, most of them short, as answers are. */
export function sequences(prompts: number, samples: number, longest: number, seed: number): Sequence[] {
  const rng = new Rng(deriveSeed(seed, 'lengths'))
  return Array.from({ length: prompts * samples }, (_, index) => ({
    key: String(index),
    prompt: String(Math.floor(index / samples)),
    seed: index,
    length: 40 + Math.floor((longest - 40) * rng.next() ** 2),
    done: false,
  }))
}

/** Decode steps of one request: slots are filled in order, and filled again as sequences end. */
export function stepsOf(chunk: readonly { readonly length: number }[], slots: number): number {
  const ends: number[] = Array.from({ length: Math.min(slots, chunk.length) }, () => 0)
  for (const { length } of chunk) {
    const first = ends.reduce((best, end, slot) => (end < ends[best]! ? slot : best), 0)
    ends[first]! += length
  }
  return Math.max(0, ...ends)
}

export interface LaneModel {
  readonly takes: number
  readonly sideBySide: number
  readonly slots: number
  /** Steps per unit of time; 1 if absent. */
  readonly speed?: number
}

/** Time that dealing to such lanes takes, in decode steps, and the chunks that each got. */
export async function simulate(
  items: readonly Sequence[],
  models: readonly LaneModel[],
): Promise<{ readonly time: number; readonly chunks: readonly (readonly Sequence[])[][] }> {
  let now = 0
  const waiting: { readonly at: number; readonly wake: () => void }[] = []
  const chunks: (readonly Sequence[])[][] = models.map(() => [])
  const lanes = models.map((model, index) => ({ ...model, index, ready: () => Promise.resolve(model) }))
  const state = { over: false }
  const dealing = dealOut<Sequence, Lane & (typeof lanes)[number]>({
    items,
    lanes,
    chunkSize: wholePrompts,
    isDone: ({ done }) => done,
    describe: ({ key }) => key,
    serve: async ({ index, slots, speed = 1 }, chunk) => {
      chunks[index]?.push(chunk)
      const at = now + stepsOf(chunk, slots) / speed
      await new Promise<void>((wake) => waiting.push({ at, wake }))
      for (const item of chunk) item.done = true
    },
  }).finally(() => {
    state.over = true
  })
  while (!state.over) {
    // All that can happen now has happened: the next thing is the end of a request.
    await turn()
    waiting.sort((a, b) => a.at - b.at)
    const next = waiting.shift()
    if (next === undefined) continue
    now = next.at
    next.wake()
  }
  await dealing
  return { time: now, chunks }
}
