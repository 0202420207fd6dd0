import { mean } from './scores.ts'

/**
 * Edit distance of two token sequences: insertions, deletions and substitutions cost 1. O(n m) time, O(m)
 * memory.
 */
export function editDistance(a: readonly number[], b: readonly number[]): number {
  let start = 0
  let [aEnd, bEnd] = [a.length, b.length]
  while (start < aEnd && start < bEnd && a[start] === b[start]) start++
  while (aEnd > start && bEnd > start && a[aEnd - 1] === b[bEnd - 1]) [aEnd, bEnd] = [aEnd - 1, bEnd - 1]
  const width = bEnd - start
  // row[j]: distance between the part of a read so far and the first j tokens of b
  const row = Int32Array.from({ length: width + 1 }, (_, j) => j)
  for (let i = start; i < aEnd; i++) {
    let diagonal = row[0] ?? 0
    row[0] = i - start + 1
    for (let j = 1; j <= width; j++) {
      const above = row[j] ?? 0
      const substitution = a[i] === b[start + j - 1] ? diagonal : diagonal + 1
      row[j] = Math.min(substitution, above + 1, (row[j - 1] ?? 0) + 1)
      diagonal = above
    }
  }
  return row[width] ?? 0
}

/** {@link editDistance} divided by the longer length, in [0, 1]; two empty sequences are equal. */
function normalisedDistance(a: readonly number[], b: readonly number[]): number {
  const longest = Math.max(a.length, b.length)
  return longest === 0 ? 0 : editDistance(a, b) / longest
}

/**
 * Closeness of each sequence to the group's medoid, the sequence with the least total distance to the
 * others: 1 - normalised edit distance, in [0, 1]. Where several are equally central (as any two sequences
 * are), it is the mean over them: which of them comes first must not make it look more coherent.
 */
export function closenessToMedoid(sequences: readonly (readonly number[])[]): number[] {
  const distances = sequences.map(() => Array.from(sequences, () => 0))
  for (const [i, row] of distances.entries()) {
    for (let j = 0; j < i; j++) {
      const distance = normalisedDistance(sequences[i] ?? [], sequences[j] ?? [])
      row[j] = distance
      distances[j]![i] = distance
    }
  }
  const means = distances.map(mean)
  const least = Math.min(...means)
  const medoids = distances.filter((_, index) => means[index] === least)
  return sequences.map((_, index) => 1 - mean(medoids.map((row) => row[index] ?? 0)))
}

/**
 * Token sequences of a group: the sampled ids where all have them, otherwise words and punctuation of the
 * texts, numbered by their sorted spelling.
 */
export function tokenSequences(
  items: readonly { readonly full_text: string; readonly completion_ids?: number[] | undefined }[],
): (readonly number[])[] {
  const ids = items.map((item) => item.completion_ids)
  if (ids.every((sequence) => sequence !== undefined)) return ids
  const pieces = items.map((item) => item.full_text.match(/[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [])
  const numbers = new Map([...new Set(pieces.flat())].toSorted().map((piece, index) => [piece, index]))
  return pieces.map((sequence) => sequence.map((piece) => numbers.get(piece) ?? 0))
}
