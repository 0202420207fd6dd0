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
  const { sums, counts } = columns(clusters)
  const statistic = (draw: () => number): number => {
    let sum = 0
    let count = 0
    for (let i = 0; i < sums.length; i++) {
      const index = draw()
      sum += sums[index]!
      count += counts[index]!
    }
    return sum / count
  }
  return bootstrap(clusters.length, statistic, options)
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
  const a = columns(pairs.map((pair) => pair.a))
  const b = columns(pairs.map((pair) => pair.b))
  const statistic = (draw: () => number): number => {
    let [sumA, countA, sumB, countB] = [0, 0, 0, 0]
    for (let i = 0; i < pairs.length; i++) {
      const index = draw()
      sumA += a.sums[index]!
      countA += a.counts[index]!
      sumB += b.sums[index]!
      countB += b.counts[index]!
    }
    return sumB / countB - sumA / countA
  }
  return bootstrap(pairs.length, statistic, options)
}

/** The clusters by column: resampling reads each of them thousands of times. */
function columns(clusters: readonly Cluster[]): { sums: Float64Array; counts: Float64Array } {
  return {
    sums: Float64Array.from(clusters, (cluster) => cluster.sum),
    counts: Float64Array.from(clusters, (cluster) => cluster.count),
  }
}

/** @param statistic the statistic of `n` clusters, whose indices `draw` gives one by one. */
function bootstrap(
  n: number,
  statistic: (draw: () => number) => number,
  { seed = 0, resamples = 2000 }: BootstrapOptions,
): Estimate {
  let index = 0
  const value = statistic(() => index++)
  if (!Number.isFinite(value)) {
    throw new ElenchusError('internal', `bootstrap: ${n} clusters without a value have no mean.`)
  }
  if (n < 2) return { value, low: null, high: null, n, method: 'bootstrap' }
  const rng = new Rng(seed)
  const draw = (): number => rng.int(n)
  const resampled = new Float64Array(resamples)
  for (let done = 0; done < resamples;) {
    const drawn = statistic(draw)
    // A resample of empty clusters only has no mean; another takes its place.
    if (Number.isFinite(drawn)) resampled[done++] = drawn
  }
  resampled.sort()
  return { value, low: quantile(resampled, 0.025), high: quantile(resampled, 0.975), n, method: 'bootstrap' }
}

/** Quantile of sorted values by linear interpolation (type 7 of Hyndman and Fan 1996, numpy's default). */
function quantile(sorted: Float64Array, q: number): number {
  const position = (sorted.length - 1) * q
  const below = Math.floor(position)
  const low = sorted[below]!
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!
  return low + (high - low) * (position - below)
}
