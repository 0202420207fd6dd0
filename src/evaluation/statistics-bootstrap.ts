import { ElenchusError } from '../errors.ts'
import { Rng } from '../random.ts'
import type { Estimate } from './statistics.ts'

/**
 * What one problem contributes to a mean: the sum and the number of its values. Samples of one problem
 * are not independent, so problems are what is resampled.
 */
export interface Cluster {
  readonly sum: number
  readonly count: number
}

export interface BootstrapOptions {
  /** 32-bit seed of the resampling. @default 0 */
  readonly seed?: number
  /** @default 2000 */
  readonly resamples?: number
}

/** The cluster of a list of values. */
export function clusterOf(values: readonly number[]): Cluster {
  return { sum: values.reduce((sum, value) => sum + value, 0), count: values.length }
}

/**
 * The mean over all values of all clusters, sum of sums / sum of counts, with the 95 % percentile interval
 * of the cluster bootstrap (Efron and Tibshirani 1993, ch. 13): clusters are drawn with replacement.
 * Where all clusters agree the interval has no width, which says little if they are few.
 *
 * @throws ElenchusError `internal` if there is no value at all.
 */
export function bootstrapMean(clusters: readonly Cluster[], options: BootstrapOptions = {}): Estimate {
  return bootstrapMeans([clusters], options)[0]!
}

/**
 * Several means, each exactly as {@link bootstrapMean} has it. Those of as many clusters share their resamples, so that
 * eight scores of the same problems take little more time than one.
 *
 * @throws ElenchusError `internal` if one of them has no value at all.
 */
export function bootstrapMeans(
  lists: readonly (readonly Cluster[])[],
  options: BootstrapOptions = {},
): Estimate[] {
  const statistics = lists.map((clusters): Statistic => ({
    n: clusters.length,
    columns: columnsOf(clusters),
    value: (totals, at) => totals[at]! / totals[at + 1]!,
  }))
  return bootstrap(statistics, options)
}

/**
 * The difference of means b - a over the same problems, with the 95 % percentile interval of the paired
 * bootstrap: each draw takes both sides of a problem.
 *
 * @throws ElenchusError `internal` if one side has no value at all.
 */
export function bootstrapDifference(
  pairs: readonly { readonly a: Cluster; readonly b: Cluster }[],
  options: BootstrapOptions = {},
): Estimate {
  return bootstrapDifferences([pairs], options)[0]!
}

/** Several differences, each exactly as {@link bootstrapDifference} has it; they share resamples as means do. */
export function bootstrapDifferences(
  lists: readonly (readonly { readonly a: Cluster; readonly b: Cluster }[])[],
  options: BootstrapOptions = {},
): Estimate[] {
  const statistics = lists.map((pairs): Statistic => ({
    n: pairs.length,
    columns: [...columnsOf(pairs.map((pair) => pair.a)), ...columnsOf(pairs.map((pair) => pair.b))],
    value: (totals, at) => totals[at + 2]! / totals[at + 3]! - totals[at]! / totals[at + 1]!,
  }))
  return bootstrap(statistics, options)
}

/** What is resampled: `value` of the totals of `n` clusters' columns, which begin at place `at`. */
interface Statistic {
  readonly n: number
  readonly columns: readonly Float64Array[]
  readonly value: (totals: Float64Array, at: number) => number
}

/** Sums and counts apart: resampling reads each of them thousands of times. */
function columnsOf(clusters: readonly Cluster[]): [sums: Float64Array, counts: Float64Array] {
  return [
    Float64Array.from(clusters, (cluster) => cluster.sum),
    Float64Array.from(clusters, (cluster) => cluster.count),
  ]
}

function bootstrap(statistics: readonly Statistic[], options: BootstrapOptions): Estimate[] {
  const { seed = 0, resamples = 2000 } = options
  const values = statistics.map(({ n, columns, value }) => {
    const totals = new Float64Array(columns.length)
    addUp(
      columns,
      Uint32Array.from({ length: n }, (_, index) => index),
      totals,
    )
    const all = value(totals, 0)
    if (Number.isFinite(all)) return all
    throw new ElenchusError('internal', `bootstrap: ${n} clusters without a value have no mean.`)
  })
  const resampled = new Map<Statistic, Float64Array>()
  for (const n of new Set(statistics.map((statistic) => statistic.n).filter((size) => size > 1))) {
    const alike = statistics.filter((statistic) => statistic.n === n)
    const found = resample(alike, n, new Rng(seed), resamples)
    for (const [index, statistic] of alike.entries()) resampled.set(statistic, found[index]!.toSorted())
  }
  return statistics.map((statistic, index) => {
    const drawn = resampled.get(statistic)
    return {
      value: values[index]!,
      low: drawn === undefined ? null : quantile(drawn, 0.025),
      high: drawn === undefined ? null : quantile(drawn, 0.975),
      n: statistic.n,
      method: 'bootstrap',
    }
  })
}

/** The first `resamples` values of each statistic of `n` clusters, over one stream of resamples. */
function resample(statistics: readonly Statistic[], n: number, rng: Rng, resamples: number): Float64Array[] {
  const found = statistics.map(() => new Float64Array(resamples))
  const done = statistics.map(() => 0)
  const columns = statistics.flatMap((statistic) => statistic.columns)
  const totals = new Float64Array(columns.length)
  const drawn = new Uint32Array(n)
  while (done.some((count) => count < resamples)) {
    for (let i = 0; i < n; i++) drawn[i] = rng.int(n)
    addUp(columns, drawn, totals)
    let at = 0
    for (const [index, statistic] of statistics.entries()) {
      const value = statistic.value(totals, at)
      at += statistic.columns.length
      // A resample of empty clusters only has no mean; another takes its place. (Beyond the end nothing is stored.)
      if (Number.isFinite(value)) found[index]![done[index]!++] = value
    }
  }
  return found
}

/**
 * Each column's sum over the drawn places, in their order. Four columns at a time: an addition waits for the one before
 * it, and those of several sums wait together.
 */
function addUp(columns: readonly Float64Array[], drawn: Uint32Array, totals: Float64Array): void {
  let column = 0
  for (; column + 4 <= columns.length; column += 4) {
    const [a, b, c, d] = [columns[column]!, columns[column + 1]!, columns[column + 2]!, columns[column + 3]!]
    let [sumA, sumB, sumC, sumD] = [0, 0, 0, 0]
    for (let i = 0; i < drawn.length; i++) {
      const place = drawn[i]!
      sumA += a[place]!
      sumB += b[place]!
      sumC += c[place]!
      sumD += d[place]!
    }
    totals[column] = sumA
    totals[column + 1] = sumB
    totals[column + 2] = sumC
    totals[column + 3] = sumD
  }
  for (; column < columns.length; column++) {
    const values = columns[column]!
    let sum = 0
    for (let i = 0; i < drawn.length; i++) sum += values[drawn[i]!]!
    totals[column] = sum
  }
}

/** Quantile of sorted values by linear interpolation (type 7 of Hyndman and Fan 1996, numpy's default). */
function quantile(sorted: Float64Array, q: number): number {
  const position = (sorted.length - 1) * q
  const below = Math.floor(position)
  const low = sorted[below]!
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!
  return low + (high - low) * (position - below)
}
