import fc from 'fast-check'
import { expect, test } from 'vitest'
import { batchesOf, totalSteps } from '../../src/training/batches.ts'

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
