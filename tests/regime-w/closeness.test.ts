import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { closenessToMedoid, editDistance, tokenSequences } from '../../src/regime-w/closeness.ts'

const tokens = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 12 })

/** The recurrence as it stands in the textbooks, for comparison. */
function plainDistance(a: readonly number[], b: readonly number[]): number {
  if (a.length === 0 || b.length === 0) return a.length + b.length
  const [x, y] = [a.slice(1), b.slice(1)]
  if (a[0] === b[0]) return plainDistance(x, y)
  return 1 + Math.min(plainDistance(x, b), plainDistance(a, y), plainDistance(x, y))
}

test('edit distance', () => {
  const letters = (word: string) => Array.from(word, (letter) => letter.codePointAt(0) ?? 0)
  expect(editDistance(letters('kitten'), letters('sitting'))).toBe(3)
  expect(editDistance([], [1, 2])).toBe(2)
  const short = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 6 })
  fc.assert(fc.property(short, short, (a, b) => editDistance(a, b) === plainDistance(a, b)))
  fc.assert(fc.property(tokens, tokens, (a, b) => editDistance(a, b) === editDistance(b, a)))
})

test('the medoid is the most central sequence, and closest to itself', () => {
  const sequences = [
    [1, 2, 3, 4],
    [1, 2, 3, 5],
    [1, 2, 9, 4],
    [7, 7, 7, 7, 7, 7, 7, 7],
  ]
  expect(closenessToMedoid(sequences)).toEqual([1, 0.75, 0.75, 0])
  expect(closenessToMedoid([[], []])).toEqual([1, 1])
  expect(closenessToMedoid([[1]])).toEqual([1])
  // Two are equally central: neither is closer.
  expect(
    closenessToMedoid([
      [1, 2],
      [1, 3],
    ]),
  ).toEqual([0.75, 0.75])
})

test('the order of the sequences does not matter, also when several are equally central', () => {
  fc.assert(
    fc.property(fc.array(tokens, { minLength: 1, maxLength: 6 }), (sequences) => {
      const reversed = closenessToMedoid(sequences.toReversed())
      expect(reversed.toReversed()).toEqual(closenessToMedoid(sequences))
    }),
  )
})

test('ids are compared where all have them, words otherwise', () => {
  const [a, b] = [{ full_text: 'so 5, then 8' }, { full_text: 'so 5, then 9' }]
  expect(
    tokenSequences([
      { ...a, completion_ids: [4, 5] },
      { ...b, completion_ids: [6] },
    ]),
  ).toEqual([[4, 5], [6]])
  const [first, second] = tokenSequences([{ ...a, completion_ids: [4, 5] }, b])
  expect(first).toHaveLength(5)
  expect(editDistance(first!, second!)).toBe(1)
})
