import { expect, test } from 'vitest'
import { drillBatch } from '../../src/training/drill.ts'

const config = {
  steps: 1,
  batch_size: 64,
  learning_rate: 1,
  warmup_ratio: 0,
  records: 4,
  middle_pool: 2,
  middle_length: [1, 3] as [number, number],
  replays: 5,
}
const ids = Array.from({ length: 20 }, (_, index) => 100 + index)

function rowsOf(step: number): { ids: number[]; targets: number[] }[] {
  const batch = drillBatch(config, { ids, seed: 1, step })
  if (batch.kind !== 'tokens') throw new Error('expected tokens')
  return batch.rows.map((row) => ({ ids: [...row.ids], targets: [...row.targets] }))
}

test('every target is what followed the replayed key, and keys and values are unique', () => {
  const rows = rowsOf(4)
  expect(rows).toHaveLength(64)
  for (const row of rows) {
    const replayed = row.targets.indexOf(1) - 1
    const source = row.ids.slice(0, replayed)
    for (let at = replayed; at < row.ids.length;) {
      const key = row.ids[at] ?? -1
      expect(row.targets[at]).toBe(0)
      expect(source.filter((id) => id === key)).toHaveLength(1)
      let length = 1
      while (row.targets[at + length] === 1) length++
      const start = source.indexOf(key)
      expect(row.ids.slice(at, at + length)).toEqual(source.slice(start, start + length))
      expect(length).toBeGreaterThanOrEqual(3)
      at += length
    }
  }
})

test('one token alone does not tell what follows: middles recur with different successors', () => {
  const ambiguous = rowsOf(1).filter(({ ids: row, targets }) => {
    const source = row.slice(0, targets.indexOf(1) - 1)
    const successors = new Map<number, Set<number>>()
    for (const [index, id] of source.entries()) {
      const next = source[index + 1]
      if (next !== undefined) successors.set(id, (successors.get(id) ?? new Set()).add(next))
    }
    return [...successors.values()].some((next) => next.size > 1)
  })
  expect(ambiguous.length).toBeGreaterThan(60)
})

test('a batch is a function of seed and step', () => {
  expect(rowsOf(4)).toEqual(rowsOf(4))
  expect(rowsOf(4)).not.toEqual(rowsOf(5))
})
