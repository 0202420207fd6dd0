import { ElenchusError } from '../errors.ts'

/** A number with its 95 % interval, as summaries store it. */
export interface Estimate {
  readonly value: number
  /** Null where there is too little data for an interval (a bootstrap over fewer than two problems). */
  readonly low: number | null
  readonly high: number | null
  /** What was resampled or counted: Bernoulli trials for Wilson, problems for the bootstrap. */
  readonly n: number
  readonly method: 'wilson' | 'bootstrap'
}

/** The 97.5 % point of the standard normal distribution. */
const Z_95 = 1.959963984540054

/**
 * A proportion with its score interval (Wilson 1927), for independent Bernoulli trials.
 *
 * @param successes an integer in 0..n.
 * @param n at least 1.
 * @param z half-width in standard deviations; the default gives 95 %.
 * @throws ElenchusError `internal` outside these ranges: no data is not the proportion 0.
 */
export function wilson(successes: number, n: number, z = Z_95): Estimate {
  if (
    !Number.isSafeInteger(n) ||
    n < 1 ||
    !Number.isSafeInteger(successes) ||
    successes < 0 ||
    successes > n
  ) {
    throw new ElenchusError('internal', `wilson: there is no proportion of ${successes} in ${n}.`)
  }
  const p = successes / n
  const denominator = 1 + (z * z) / n
  const center = (p + (z * z) / (2 * n)) / denominator
  const half = (z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n))) / denominator
  return {
    value: p,
    // At the ends the bound is the proportion itself; subtraction would leave a rounding error there.
    low: successes === 0 ? 0 : center - half,
    high: successes === n ? 1 : center + half,
    n,
    method: 'wilson',
  }
}

/**
 * McNemar's exact test: the two-sided p-value that `b` against `c` discordant pairs are a fair coin's,
 * min(1, 2 P[X <= min(b, c)]) with X binomial (b + c, 1/2). 1 if there are none.
 *
 * Sums in logarithms with compensation; time is linear in min(b, c), which may be in the millions.
 *
 * @throws ElenchusError `internal` if a count is no non-negative integer.
 */
export function mcnemarExact(b: number, c: number): number {
  if (!Number.isSafeInteger(b) || !Number.isSafeInteger(c) || b < 0 || c < 0) {
    throw new ElenchusError('internal', `mcnemarExact: ${b} and ${c} are no counts.`)
  }
  const n = b + c
  const k = Math.min(b, c)
  if (b === c) return 1
  // ln P[X = k] = ln C(n, k) - n ln 2, by Kahan summation.
  let log = -n * Math.LN2
  let lost = 0
  for (let i = 1; i <= k; i++) {
    const term = Math.log((n - k + i) / i) - lost
    const sum = log + term
    lost = sum - log - term
    log = sum
  }
  // P[X <= k] / P[X = k] = 1 + k/(n-k+1) + k(k-1)/((n-k+1)(n-k+2)) + ...: falling terms, all below 1.
  let ratio = 1
  let tail = 1
  for (let i = k; i >= 1 && ratio > tail * 1e-17; i--) {
    ratio *= i / (n - i + 1)
    tail += ratio
  }
  return Math.min(1, 2 * Math.exp(log + Math.log(tail)))
}
