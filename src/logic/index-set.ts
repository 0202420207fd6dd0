/**
 * A set of line indices, as a bit set: 30 bits per word, so that every word is a small integer to the
 * engine. Sets are values; nothing here changes its arguments. Trailing zero words never occur.
 */
export type IndexSet = readonly number[]

const BITS = 30

export const EMPTY: IndexSet = []

export function singleton(index: number): IndexSet {
  const words: number[] = []
  for (let word = Math.floor(index / BITS); word > 0; word--) words.push(0)
  words.push(1 << (index % BITS))
  return words
}

export function union(a: IndexSet, b: IndexSet): IndexSet {
  const words = a.slice()
  for (let i = 0; i < b.length; i++) words[i] = (words[i] ?? 0) | (b[i] ?? 0)
  return words
}

export function without(set: IndexSet, index: number): IndexSet {
  if (!has(set, index)) return set
  const word = Math.floor(index / BITS)
  const words = set.slice()
  words[word] = (words[word] ?? 0) & ~(1 << (index % BITS))
  let length = words.length
  while (length > 0 && words[length - 1] === 0) length--
  words.length = length
  return words
}

export function has(set: IndexSet, index: number): boolean {
  return (((set[Math.floor(index / BITS)] ?? 0) >> (index % BITS)) & 1) === 1
}

/** Whether every member of `a` that is at least `from` is in `b`. */
export function isSubset(a: IndexSet, b: IndexSet, from = 0): boolean {
  const first = Math.floor(from / BITS)
  for (let i = first; i < a.length; i++) {
    const mask = i === first ? -1 << (from % BITS) : -1
    if (((a[i] ?? 0) & ~(b[i] ?? 0) & mask) !== 0) return false
  }
  return true
}

/** The members that are at least `from`, ascending. */
export function members(set: IndexSet, from = 0): number[] {
  const found: number[] = []
  for (let i = Math.floor(from / BITS); i < set.length; i++) {
    for (let word = set[i] ?? 0, index = i * BITS; word !== 0; word >>>= 1, index++) {
      if ((word & 1) === 1 && index >= from) found.push(index)
    }
  }
  return found
}
