import { ElenchusError } from '../errors.ts'
import { bootstrapDifference } from './statistics-bootstrap.ts'
import { type Estimate, mcnemarExact, wilson } from './statistics.ts'

/** Whether one problem was solved; `id` pairs the two sides. */
export interface Outcome {
  readonly id: string
  readonly success: boolean
}

export interface Comparison {
  /** Problems that both sides have; everything below is about these. */
  readonly n: number
  readonly a: Estimate
  readonly b: Estimate
  /** b - a, with the paired bootstrap's interval. */
  readonly difference: Estimate
  readonly both: number
  readonly neither: number
  /** Solved by `a` alone, and by `b` alone: the discordant pairs. */
  readonly only_a: number
  readonly only_b: number
  /** Exact two-sided McNemar test on the discordant pairs. */
  readonly p_value: number
  /** Problems that the other side lacks. */
  readonly unpaired_a: number
  readonly unpaired_b: number
}

/**
 * Compares two evaluations of the same problems, paired by id.
 *
 * @param options.seed of the bootstrap. @default 0
 * @throws ElenchusError `record_invalid` if an id is there twice on one side (the test takes one
 *   Bernoulli trial per problem), or if no problem is in both.
 */
export function compare(
  a: readonly Outcome[],
  b: readonly Outcome[],
  options: { readonly seed?: number } = {},
): Comparison {
  const left = byId(a, 'first')
  const right = byId(b, 'second')
  const pairs = [...left].flatMap(([id, before]) => {
    const after = right.get(id)
    return after === undefined ? [] : [{ before, after }]
  })
  const n = pairs.length
  if (n === 0) throw new ElenchusError('record_invalid', 'The two files have no problem in common.')
  const count = (before: boolean, after: boolean): number =>
    pairs.filter((pair) => pair.before === before && pair.after === after).length
  const both = count(true, true)
  const onlyA = count(true, false)
  const onlyB = count(false, true)
  const trial = (success: boolean): { sum: number; count: number } => ({ sum: success ? 1 : 0, count: 1 })
  return {
    n,
    a: wilson(both + onlyA, n),
    b: wilson(both + onlyB, n),
    difference: bootstrapDifference(
      pairs.map(({ before, after }) => ({ a: trial(before), b: trial(after) })),
      options,
    ),
    both,
    neither: n - both - onlyA - onlyB,
    only_a: onlyA,
    only_b: onlyB,
    p_value: mcnemarExact(onlyA, onlyB),
    unpaired_a: left.size - n,
    unpaired_b: right.size - n,
  }
}

function byId(outcomes: readonly Outcome[], side: string): Map<string, boolean> {
  const map = new Map<string, boolean>()
  for (const { id, success } of outcomes) {
    if (map.has(id)) {
      throw new ElenchusError('record_invalid', `The ${side} file has several results for "${id}".`, {
        hint: 'Compare evaluations with one sample per problem.',
      })
    }
    map.set(id, success)
  }
  return map
}
