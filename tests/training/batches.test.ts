import fc from 'fast-check'
import { expect, test } from 'vitest'
import { batchesOf, groupedBatchesOf, totalSteps } from '../../src/training/batches.ts'

test('an epoch visits every item exactly once, whatever the batch size', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(),
      (n, batch, seed) => {
        const steps = totalSteps(n, batch, { num_epochs: 1 })
        const seen = Array.from({ length: steps }, (_, index) => index + 1).flatMap(batchesOf(n, batch, seed))
        expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, index) => index))
      },
    ),
  )
})

test('epochs are shuffled differently, and a step is a function of its number', () => {
  const epoch = (k: number) => [1, 2].flatMap((s) => batchesOf(20, 10, 7)(2 * k + s))
  expect(epoch(0)).not.toEqual(epoch(1))
  const inOrder = batchesOf(20, 10, 7)
  const steps = [1, 2, 3, 4, 5].map(inOrder)
  // Asked alone, as on resume, and asked again once the next epoch has begun.
  expect(batchesOf(20, 10, 7)(3)).toEqual(steps[2])
  expect(inOrder(1)).toEqual(steps[0])
})

test('steps come from epochs, or from max_steps where it is given', () => {
  expect(totalSteps(10, 4, { num_epochs: 2 })).toBe(6)
  expect(totalSteps(10, 4, { num_epochs: 0.5 })).toBe(2)
  expect(totalSteps(10, 4, { num_epochs: 2, max_steps: 9 })).toBe(9)
})

test('groups stay together but where a step is full, and every step has its number of items', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 20 }), fc.nat(), (lengths, batch, seed) => {
      let n = 0
      const groups = lengths.map((length) => Array.from({ length }, () => n++))
      const groupOf = groups.flatMap((group, index) => group.map(() => index))
      const steps = totalSteps(n, batch, { num_epochs: 1 })
      const batches = Array.from({ length: steps }, (_, k) => groupedBatchesOf(groups, batch, seed)(k + 1))
      expect(batches.slice(0, -1).every(({ length }) => length === batch)).toBe(true)
      const seen = batches.flat()
      expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, index) => index))
      // As many changes of group as there are groups less one: none is left and come back to.
      const changes = seen.filter((item, at) => at > 0 && groupOf[item] !== groupOf[seen[at - 1]!])
      expect(changes.length).toBe(groups.length - 1)
    }),
  )
})

test('groups of one item are shuffled as items are', () => {
  const alone = Array.from({ length: 30 }, (_, index) => [index])
  expect([1, 2, 3, 4].map(groupedBatchesOf(alone, 8, 5))).toEqual([1, 2, 3, 4].map(batchesOf(30, 8, 5)))
})
