/**
 * Rewards, advantages and returns of sampled answers. Pure. An answer's arrays have one number per token;
 * sums run in fp64 whatever the arrays hold.
 */

/** What is known of one answer's tokens. */
export interface TokenRewards {
  /** Reward of the whole answer, granted at its last token. */
  readonly reward: number
  /** log p(policy) - log p(reference) per token. */
  readonly logRatios: Float64Array
}

/** Per token: minus `klCoef` times the log-ratio to the reference, plus the reward at the end. */
export function tokenRewards({ reward, logRatios }: TokenRewards, klCoef: number): Float64Array {
  const rewards = logRatios.map((logRatio) => (klCoef === 0 ? 0 : -klCoef * logRatio))
  const last = rewards.length - 1
  if (last >= 0) rewards[last] = (rewards[last] ?? 0) + reward
  return rewards
}

/**
 * Generalised advantage estimation (Schulman et al. 2016, arXiv:1506.02438, eq. 16) of one answer, and the
 * returns that the critic is to learn, `advantage + value`. Behind the last token nothing follows.
 */
export function estimateAdvantages(
  rewards: Float64Array,
  values: Float32Array,
  { gamma, lambda }: { readonly gamma: number; readonly lambda: number },
): { readonly advantages: Float64Array; readonly returns: Float64Array } {
  const advantages = new Float64Array(rewards.length)
  let next = 0
  let nextValue = 0
  for (let token = rewards.length - 1; token >= 0; token--) {
    const value = values[token]!
    next = rewards[token]! + gamma * nextValue - value + gamma * lambda * next
    advantages[token] = next
    nextValue = value
  }
  return { advantages, returns: advantages.map((advantage, token) => advantage + values[token]!) }
}

/**
 * All numbers of all rows to variance 1 (population), and with `shiftMean` to mean 0; without it the mean
 * stays, so that signs keep their meaning. Numbers that are all equal become 0, or stay.
 */
export function whiten(rows: readonly Float64Array[], shiftMean: boolean): Float64Array[] {
  const { mean, deviation } = moments(rows)
  if (deviation === 0) return rows.map((row) => (shiftMean ? row.map(() => 0) : row))
  return rows.map((row) => row.map((value) => (value - mean) / deviation + (shiftMean ? 0 : mean)))
}

/** Mean and population standard deviation over all numbers; 0 where there are none. */
export function moments(rows: readonly Float64Array[]): {
  readonly mean: number
  readonly deviation: number
} {
  const count = rows.reduce((sum, row) => sum + row.length, 0)
  if (count === 0) return { mean: 0, deviation: 0 }
  const first = rows.find((row) => row.length > 0)?.[0]
  // Rounding in the mean must not make equal numbers differ.
  if (rows.every((row) => row.every((value) => value === first))) return { mean: first!, deviation: 0 }
  const mean = total(rows, (value) => value) / count
  return { mean, deviation: Math.sqrt(total(rows, (value) => (value - mean) ** 2) / count) }
}

/** Keeps groups whose rewards hardly differ from exploding (as in DeepSeekMath's successors). */
const GROUP_EPSILON = 1e-4

/**
 * One advantage per answer of a group, from the rewards of the others:
 * `grpo`: (reward - mean) / (population deviation + 1e-4) (Shao et al. 2024, arXiv:2402.03300, 4.1.2);
 * `rloo`: reward - mean of the others' (Ahmadian et al. 2024, arXiv:2402.14740, eq. 9).
 * A group of one, or without variance, tells nothing: all 0.
 */
export function groupAdvantages(rewards: readonly number[], algorithm: 'grpo' | 'rloo'): number[] {
  if (isUniform(rewards)) return rewards.map(() => 0)
  const sum = rewards.reduce((left, right) => left + right, 0)
  if (algorithm === 'rloo') {
    return rewards.map((reward) => reward - (sum - reward) / (rewards.length - 1))
  }
  const { mean, deviation } = moments([Float64Array.from(rewards)])
  return rewards.map((reward) => (reward - mean) / (deviation + GROUP_EPSILON))
}

/** Whether a group's rewards have no variance. */
export function isUniform(rewards: readonly number[]): boolean {
  return rewards.every((reward) => reward === rewards[0])
}

/**
 * Share of the variance of the returns that the values explain: 1 - Var(returns - values) / Var(returns).
 * At most 1, negative for a critic worse than none; null where the returns do not vary.
 */
export function explainedVariance(
  returns: readonly Float64Array[],
  values: readonly Float32Array[],
): number | null {
  const spread = moments(returns).deviation
  if (spread === 0) return null
  const misses = returns.map((row, index) => row.map((value, token) => value - values[index]![token]!))
  return 1 - (moments(misses).deviation / spread) ** 2
}

function total(rows: readonly Float64Array[], term: (value: number) => number): number {
  let sum = 0
  for (const row of rows) for (const value of row) sum += term(value)
  return sum
}
