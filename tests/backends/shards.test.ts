import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { TrainBatch } from '../../src/backends/backend.ts'
import { chunksOf } from '../../src/backends/torch/chunks.ts'
import { deal, shardBatch } from '../../src/backends/torch/shards.ts'

test('deals every item to one rank, none to two, and the loads differ by one item at most', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 100 })),
      fc.integer({ min: 1, max: 8 }),
      (costs, ranks) => {
        const hands = deal(costs, ranks, (cost) => cost)
        expect(hands).toHaveLength(ranks)
        expect(hands.flat().sort((a, b) => a - b)).toEqual([...costs.keys()])
        const loads = hands.map((hand) => hand.reduce((sum, index) => sum + costs[index]!, 0))
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(Math.max(0, ...costs))
        expect(deal(costs, ranks, (cost) => cost)).toEqual(hands)
      },
    ),
  )
})

test('keeps the questions of a pair graph whole, and every pair and reference where it belongs', () => {
  const question = fc.integer({ min: 0, max: 4 })
  const loss = { kind: 'sigmoid', beta: 1, labelSmoothing: 0, nllCoef: 0, lengthNormalised: false } as const
  fc.assert(
    fc.property(
      fc.array(question, { minLength: 2, maxLength: 20 }),
      fc.integer({ min: 2, max: 5 }),
      (of, ranks) => {
        const trajectories = of.map((prompt, index) => ({ prompt: `q${prompt}`, ids: Int32Array.of(index) }))
        const pairs = of.flatMap((prompt, rejected) => {
          const chosen = of.indexOf(prompt)
          return chosen === rejected ? [] : [{ chosen, rejected }]
        })
        const referenceSums = Float64Array.from(of.keys())
        const batch: TrainBatch = { kind: 'dpo', trajectories, pairs, referenceSums, loss, maxLength: 9 }
        const shards = shardBatch(batch, ranks).map((shard) => {
          if (shard.kind !== 'dpo') throw new Error('another kind')
          return shard
        })
        const found = shards.flatMap((shard) =>
          shard.pairs.map(({ chosen, rejected }) => {
            expect(shard.referenceSums[chosen]).toBe(shard.trajectories[chosen]?.ids[0])
            return {
              chosen: shard.trajectories[chosen]!.ids[0],
              rejected: shard.trajectories[rejected]!.ids[0],
            }
          }),
        )
        const byRejected = (a: { rejected?: number | undefined }, b: { rejected?: number | undefined }) =>
          (a.rejected ?? 0) - (b.rejected ?? 0)
        expect(found.sort(byRejected)).toEqual([...pairs].sort(byRejected))
        const prompts = shards.flatMap((shard) =>
          Array.from(new Set(shard.trajectories.map(({ prompt }) => prompt))),
        )
        expect(new Set(prompts).size).toBe(prompts.length)
      },
    ),
  )
})

test('chunks to be scored keep the order, their bounds, and the answers to a question together', () => {
  const trajectories = Array.from({ length: 1000 }, (_, index) => ({
    prompt: `question ${Math.floor(index / 8)}`,
    ids: Int32Array.of(index),
  }))
  const chunks = chunksOf(trajectories)
  expect(chunks.flat()).toEqual(trajectories)
  expect(chunks.every(({ length }) => length <= 256 && length % 8 === 0)).toBe(true)
  expect(chunksOf([])).toEqual([])
})
