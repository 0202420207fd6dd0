import { isSubset, union, type IndexSet } from '../index-set.ts'

/**
 * The four readings of a chain, as bits: only correct steps count; skip steps count too; non-atomic steps count too;
 * both count. Each is judged on its own, so a verdict never rests on a step that its reading does not count.
 */
export const STRICT = 1
export const WITH_SKIP = 2
export const WITH_NON_ATOMIC = 4
export const WITH_BOTH = 8
export const EVERY_READING = STRICT | WITH_SKIP | WITH_NON_ATOMIC | WITH_BOTH

/** One way in which a formula has been established. */
export interface Support {
  /** The readings in which it stands; never 0. */
  readonly readings: number
  /** Numbers of the assumptions that it rests on (Lemmon's dependency set). */
  readonly assumptions: IndexSet
}

/** Ways that are kept for one formula. More can only come from many assumptions; dropping one loses no soundness. */
const MAX_SUPPORTS = 16

/** Adds a way, unless another one does as much on no more assumptions. */
export function addSupport(supports: readonly Support[], added: Support): readonly Support[] {
  if (added.readings === 0 || supports.some((known) => covers(known, added))) return supports
  const kept = supports.filter((known) => !covers(added, known))
  return kept.length < MAX_SUPPORTS ? [...kept, added] : kept
}

/** The ways to have both; empty if one of them has none. */
export function both(a: readonly Support[], b: readonly Support[]): readonly Support[] {
  let found: readonly Support[] = []
  for (const x of a) {
    for (const y of b) {
      found = addSupport(found, {
        readings: x.readings & y.readings,
        assumptions: union(x.assumptions, y.assumptions),
      })
    }
  }
  return found
}

/** The same ways, in some of the readings only. */
export function within(supports: readonly Support[], readings: number): readonly Support[] {
  return supports.flatMap((support) => {
    const left = support.readings & readings
    return left === 0 ? [] : [{ ...support, readings: left }]
  })
}

/** The readings in which at least one of the ways stands. */
export function readingsOf(supports: readonly Support[]): number {
  return supports.reduce((all, { readings }) => all | readings, 0)
}

function covers(a: Support, b: Support): boolean {
  return (b.readings & ~a.readings) === 0 && isSubset(a.assumptions, b.assumptions)
}
