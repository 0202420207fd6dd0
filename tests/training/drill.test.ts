import { expect, test } from 'vitest'
import { drillBatch } from '../../src/training/drill.ts'

test('the second half repeats the first and alone is a target', () => {
  const batch = drillBatch({ vocabulary: 50, batchSize: 3, length: 20, seed: 1, step: 4 })
  if (batch.kind !== 'tokens') throw new Error('expected tokens')
  expect(batch.rows).toHaveLength(3)
  for (const { ids, targets } of batch.rows) {
    expect(ids.slice(10)).toEqual(ids.slice(0, 10))
    expect([...targets]).toEqual([
      ...Array.from({ length: 10 }, () => 0),
      ...Array.from({ length: 10 }, () => 1),
    ])
    expect(Math.max(...ids)).toBeLessThan(50)
  }
  expect(drillBatch({ vocabulary: 50, batchSize: 3, length: 20, seed: 1, step: 4 })).toEqual(batch)
  expect(drillBatch({ vocabulary: 50, batchSize: 3, length: 20, seed: 1, step: 5 })).not.toEqual(batch)
})
