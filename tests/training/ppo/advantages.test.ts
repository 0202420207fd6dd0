import { describe, expect, test } from 'vitest'
import { deriveSeed, Rng } from '../../../src/random.ts'
import {
  estimateAdvantages,
  explainedVariance,
  groupAdvantages,
  moments,
  tokenRewards,
  whiten,
} from '../../../src/training/ppo/advantages.ts'

const rng = new Rng(deriveSeed(7, 'advantages'))
const random = (length: number): number[] => Array.from({ length }, () => 4 * rng.next() - 2)
/** For comparing numbers that differ by rounding only. */
const near = (values: Iterable<number>): unknown[] =>
  Array.from(values, (value): unknown => expect.closeTo(value, 6))

describe('rewards per token', () => {
  test('charge the divergence on every token and grant the reward on the last', () => {
    const logRatios = Float64Array.of(0.5, -0.25, 1)
    expect([...tokenRewards({ reward: 1, logRatios }, 0.1)]).toEqual(near([-0.05, 0.025, 0.9]))
    expect([...tokenRewards({ reward: 1, logRatios }, 0)]).toEqual(near([0, 0, 1]))
  })
})

describe('generalised advantage estimation', () => {
  test('equals the hand-computed example', () => {
    // deltas: 0 + .9*.5 - .2 = .25; 0 + .9*.4 - .5 = -.14; 1 - .4 = .6; weights gamma*lambda = .72
    const values = Float32Array.of(0.2, 0.5, 0.4)
    const { advantages, returns } = estimateAdvantages(Float64Array.of(0, 0, 1), values, {
      gamma: 0.9,
      lambda: 0.8,
    })
    expect([...advantages]).toEqual(near([0.25 + 0.72 * (-0.14 + 0.72 * 0.6), -0.14 + 0.72 * 0.6, 0.6]))
    expect([...returns]).toEqual(near([0.46024 + 0.2, 0.292 + 0.5, 1]))
  })

  test('with lambda 1 returns are discounted sums of rewards, whatever the critic says', () => {
    for (let round = 0; round < 50; round++) {
      const rewards = Float64Array.from(random(6))
      const gamma = rng.next()
      const { returns } = estimateAdvantages(rewards, Float32Array.from(random(6)), { gamma, lambda: 1 })
      const sums = rewards.map((_, start) =>
        rewards.slice(start).reduce((sum, reward, ahead) => sum + gamma ** ahead * reward, 0),
      )
      expect([...returns]).toEqual(near(sums))
    }
  })

  test('with lambda 0 advantages are one-step errors', () => {
    const rewards = Float64Array.from(random(5))
    const values = Float32Array.from(random(5))
    const { advantages } = estimateAdvantages(rewards, values, { gamma: 0.7, lambda: 0 })
    expect([...advantages]).toEqual(
      near(rewards.map((reward, token) => reward + 0.7 * (values[token + 1] ?? 0) - values[token]!)),
    )
  })
})

describe('whitening', () => {
  const rows = [Float64Array.from(random(3)), Float64Array.from(random(8)), new Float64Array()]

  test('with the mean shifted gives mean 0 and variance 1 over all tokens', () => {
    const { mean, deviation } = moments(whiten(rows, true))
    expect(mean).toBeCloseTo(0)
    expect(deviation).toBeCloseTo(1)
  })

  test('without it keeps the mean', () => {
    const { mean, deviation } = moments(whiten(rows, false))
    expect(mean).toBeCloseTo(moments(rows).mean)
    expect(deviation).toBeCloseTo(1)
  })

  test('equal numbers have no variance to divide by', () => {
    const equal = [Float64Array.of(0.1, 0.1), Float64Array.of(0.1)]
    expect(whiten(equal, true)).toEqual([Float64Array.of(0, 0), Float64Array.of(0)])
    expect(whiten(equal, false)).toEqual(equal)
  })
})

describe('advantages within a group', () => {
  test('grpo: standard scores', () => {
    // mean .25, population deviation sqrt(3)/4
    const deviation = Math.sqrt(3) / 4 + 1e-4
    expect([...groupAdvantages([1, 0, 0, 0], 'grpo')]).toEqual(
      near([0.75, -0.25, -0.25, -0.25].map((x) => x / deviation)),
    )
  })

  test('rloo: against the mean of the others', () => {
    expect([...groupAdvantages([1, 0, 0, 0], 'rloo')]).toEqual(near([1, -1 / 3, -1 / 3, -1 / 3]))
  })

  test.each(['grpo', 'rloo'] as const)('%s: sums to 0, and keeps its order when shifted', (algorithm) => {
    for (let round = 0; round < 50; round++) {
      const rewards = random(2 + rng.int(7))
      const advantages = groupAdvantages(rewards, algorithm)
      expect(advantages.reduce((sum, each) => sum + each, 0)).toBeCloseTo(0)
      expect([
        ...groupAdvantages(
          rewards.map((reward) => reward + 3),
          algorithm,
        ),
      ]).toEqual(near(advantages))
    }
  })

  test.each(['grpo', 'rloo'] as const)('%s: a group without variance tells nothing', (algorithm) => {
    expect(groupAdvantages([0.1, 0.1, 0.1], algorithm)).toEqual([0, 0, 0])
    expect(groupAdvantages([1], algorithm)).toEqual([0])
  })
})

describe('explained variance', () => {
  test('is 1 for a perfect critic, 0 for a constant one, null where nothing varies', () => {
    const returns = [Float64Array.of(1, 0, 2)]
    expect(explainedVariance(returns, [Float32Array.of(1, 0, 2)])).toBe(1)
    expect(explainedVariance(returns, [Float32Array.of(5, 5, 5)])).toBeCloseTo(0)
    expect(explainedVariance(returns, [Float32Array.of(0, 1, -2)])).toBeLessThan(0)
    expect(explainedVariance([Float64Array.of(1, 1)], [Float32Array.of(0, 1)])).toBeNull()
  })
})
