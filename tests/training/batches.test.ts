import fc from 'fast-check'
import { expect, test } from 'vitest'
import { batchAt, totalSteps } from '../../src/training/batches.ts'

test('an epoch visits every item exactly once, whatever the batch size', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(),
      (n, batch, seed) => {
        const steps = totalSteps(n, batch, { num_epochs: 1 })
        const seen = Array.from({ length: steps }, (_, index) => batchAt(n, batch, seed, index + 1)).flat()
        expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, index) => index))
      },
    ),
  )
})

test('epochs are shuffled differently, and a step is a function of its number', () => {
  const epoch = (k: number) => [1, 2].flatMap((s) => batchAt(20, 10, 7, 2 * k + s))
  expect(epoch(0)).not.toEqual(epoch(1))
  expect(batchAt(20, 10, 7, 3)).toEqual(batchAt(20, 10, 7, 3))
})

test('steps come from epochs, or from max_steps where it is given', () => {
  expect(totalSteps(10, 4, { num_epochs: 2 })).toBe(6)
  expect(totalSteps(10, 4, { num_epochs: 0.5 })).toBe(2)
  expect(totalSteps(10, 4, { num_epochs: 2, max_steps: 9 })).toBe(9)
})
