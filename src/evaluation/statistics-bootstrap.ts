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
  const statistics = lists.map((clusters): Statistic => {
    const { sums, counts } = columns(clusters)
    const value = (drawn: Uint32Array): number => {
      let sum = 0
      let count = 0
      for (let i = 0; i < drawn.length; i++) {
        const index = drawn[i]!
        sum += sums[index]!
        count += counts[index]!
      }
      return sum / count
    }
    return { n: clusters.length, value }
  })
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
  const statistics = lists.map((pairs): Statistic => {
    const a = columns(pairs.map((pair) => pair.a))
    const b = columns(pairs.map((pair) => pair.b))
    const value = (drawn: Uint32Array): number => {
      let [sumA, countA, sumB, countB] = [0, 0, 0, 0]
      for (let i = 0; i < drawn.length; i++) {
        const index = drawn[i]!
        sumA += a.sums[index]!
        countA += a.counts[index]!
        sumB += b.sums[index]!
        countB += b.counts[index]!
      }
      return sumB / countB - sumA / countA
    }
    return { n: pairs.length, value }
  })
  return bootstrap(statistics, options)
}

/** What is resampled: `value` of the clusters with the given indices, of `n`. */
interface Statistic {
  readonly n: number
  readonly value: (drawn: Uint32Array) => number
}

/** The clusters by column: resampling reads each of them thousands of times. */
function columns(clusters: readonly Cluster[]): { sums: Float64Array; counts: Float64Array } {
  return {
    sums: Float64Array.from(clusters, (cluster) => cluster.sum),
    counts: Float64Array.from(clusters, (cluster) => cluster.count),
  }
}

function bootstrap(statistics: readonly Statistic[], options: BootstrapOptions): Estimate[] {
  const { seed = 0, resamples = 2000 } = options
  const values = statistics.map(({ n, value }) => {
    const all = value(Uint32Array.from({ length: n }, (_, index) => index))
    if (Number.isFinite(all)) return all
    throw new ElenchusError('internal', `bootstrap: ${n} clusters without a value have no mean.`)
  })
  const resampled = new Map<Statistic, Float64Array>()
  for (const n of new Set(statistics.map((statistic) => statistic.n).filter((size) => size > 1))) {
    const alike = statistics.filter((statistic) => statistic.n === n)
    const columnsOf = resample(alike, n, new Rng(seed), resamples)
    for (const [index, statistic] of alike.entries()) resampled.set(statistic, columnsOf[index]!.toSorted())
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
  const drawn = new Uint32Array(n)
  while (done.some((count) => count < resamples)) {
    for (let i = 0; i < n; i++) drawn[i] = rng.int(n)
    for (const [index, { value }] of statistics.entries()) {
      const of = value(drawn)
      // A resample of empty clusters only has no mean; another takes its place. (Beyond the end nothing is stored.)
      if (Number.isFinite(of)) found[index]![done[index]!++] = of
    }
  }
  return found
}

/** Quantile of sorted values by linear interpolation (type 7 of Hyndman and Fan 1996, numpy's default). */
function quantile(sorted: Float64Array, q: number): number {
  const position = (sorted.length - 1) * q
  const below = Math.floor(position)
  const low = sorted[below]!
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!
  return low + (high - low) * (position - below)
}
