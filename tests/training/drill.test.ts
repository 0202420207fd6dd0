import { expect, test } from 'vitest'
import { drillBatch } from '../../src/training/drill.ts'

const config = {
  steps: 1,
  batch_size: 16,
  learning_rate: 1,
  warmup_ratio: 0,
  source_length: 6,
  recurrence: 0,
  recurrence_after: 0,
  spans: 5,
  span_length: [2, 4] as [number, number],
}
const ids = Array.from({ length: 20 }, (_, index) => 100 + index)

test('every target is what followed the previous token in a source of distinct tokens', () => {
  const batch = drillBatch(config, { ids, seed: 1, step: 4 })
  if (batch.kind !== 'tokens') throw new Error('expected tokens')
  expect(batch.rows).toHaveLength(16)
  for (const row of batch.rows) {
    const source = row.ids.slice(0, 6)
    expect(new Set(source).size).toBe(6)
    expect(row.targets.slice(0, 6)).toEqual(new Uint8Array(6))
    expect(row.targets.filter((target) => target === 1).length).toBeGreaterThanOrEqual(5)
    for (const [index, target] of row.targets.entries()) {
      if (target === 0) continue
      expect(row.ids[index]).toBe(source[source.indexOf(row.ids[index - 1] ?? -1) + 1])
    }
  }
})

test('with recurrence some tokens of the source stand in it twice, at about the given rate', () => {
  const batch = drillBatch({ ...config, batch_size: 500, recurrence: 0.3 }, { ids, seed: 1, step: 1 })
  if (batch.kind !== 'tokens') throw new Error('expected tokens')
  const distinct = batch.rows.map((row) => new Set(row.ids.slice(0, 6)).size)
  const mean = distinct.reduce((sum, n) => sum + n, 0) / distinct.length
  // Of 6 tokens 1.8 are overwritten, a sixth of them by themselves; some hit the same token.
  expect(mean).toBeGreaterThan(4.4)
  expect(mean).toBeLessThan(5.2)
})

test('a batch is a function of seed and step', () => {
  const of = (step: number) => drillBatch(config, { ids, seed: 1, step })
  expect(of(4)).toEqual(of(4))
  expect(of(4)).not.toEqual(of(5))
})
