import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ElenchusError } from '../../src/errors.ts'
import { Rng } from '../../src/random.ts'
import {
  bootstrapDifference,
  bootstrapDifferences,
  bootstrapMean,
  bootstrapMeans,
  clusterOf,
} from '../../src/evaluation/statistics-bootstrap.ts'
import {
  auc,
  expectedCalibrationError,
  reliabilityBins,
} from '../../src/evaluation/statistics-calibration.ts'
import { majorityVote, passAtK } from '../../src/evaluation/statistics-sampling.ts'
import { mcnemarExact, wilson } from '../../src/evaluation/statistics.ts'

describe('wilson', () => {
  // scipy 1.17.1: binomtest(k, n).proportion_ci(method='wilson')
  test.each([
    [0, 10, 0, 0.27753279986288926],
    [3, 10, 0.10779126740630102, 0.6032218525388546],
    [10, 10, 0.7224672001371109, 1],
    [863, 1209, 0.6876899970107667, 0.7385817108369389],
    [1, 1, 0.20654931437723745, 1],
    [61, 100_000, 0.0004749570000009567, 0.0007834092485847317],
  ])('%i of %i', (successes, n, low, high) => {
    const estimate = wilson(successes, n)
    expect(estimate).toMatchObject({ value: successes / n, n, method: 'wilson' })
    expect(estimate.low).toBeCloseTo(low, 14)
    expect(estimate.high).toBeCloseTo(high, 14)
  })

  test('no data is no proportion', () => {
    for (const [successes, n] of [
      [0, 0],
      [2, 1],
      [-1, 5],
      [0.5, 1],
      [Number.NaN, 3],
    ] as const) {
      expect(() => wilson(successes, n)).toThrow(ElenchusError)
    }
  })
})

describe('mcnemarExact', () => {
  // Exact rational arithmetic; the last three scipy 1.17.1: binomtest(b, b + c, 0.5).pvalue
  test.each([
    [0, 0, 1],
    [5, 5, 1],
    [7, 8, 1],
    [0, 5, 0.0625],
    [10, 2, 0.03857421875],
    [29, 31, 0.8974218269914305],
    [121, 59, 4.434449263755176e-6],
    [1000, 1100, 0.030720707864242296],
    [5000, 5200, 0.04878796312682245],
    [50_000, 51_000, 0.0016696304559914016],
    [499_000, 500_100, 0.2715522558942858],
    [0, 2000, 0],
  ])('%i against %i', (b, c, p) => {
    expect(mcnemarExact(b, c) / (p === 0 ? 1 : p)).toBeCloseTo(p === 0 ? 0 : 1, 9)
    expect(mcnemarExact(c, b)).toBe(mcnemarExact(b, c))
  })

  test('is a p-value, and agrees with the plain sum', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(40), (b, c) => {
        let binomial = 1
        let sum = 0
        for (let i = 0; i <= Math.min(b, c); i++) {
          sum += binomial
          binomial = (binomial * (b + c - i)) / (i + 1)
        }
        expect(mcnemarExact(b, c)).toBeCloseTo(Math.min(1, (2 * sum) / 2 ** (b + c)), 12)
      }),
    )
    expect(() => mcnemarExact(-1, 2)).toThrow(ElenchusError)
    expect(() => mcnemarExact(1.5, 2)).toThrow(ElenchusError)
  })
})

describe('bootstrap over problems', () => {
  const pairs = (rows: readonly (readonly [number, number])[]): { sum: number; count: number }[] =>
    rows.map(([sum, count]) => ({ sum, count }))
  // Intervals of two million resamples of the same clusters (numpy 2, percentile, linear).
  const before = pairs([
    [3, 4],
    [0, 4],
    [4, 4],
    [2, 4],
    [1, 4],
    [4, 4],
    [3, 4],
    [2, 3],
    [0, 2],
    [5, 6],
    [1, 1],
    [2, 4],
  ])
  const after = pairs([
    [4, 4],
    [1, 4],
    [4, 4],
    [3, 4],
    [1, 4],
    [4, 4],
    [2, 4],
    [3, 3],
    [1, 2],
    [5, 6],
    [1, 1],
    [4, 4],
  ])

  test('of a mean agrees with numpy', () => {
    const estimate = bootstrapMean(before, { resamples: 50_000, seed: 5 })
    expect(estimate).toMatchObject({ value: 27 / 44, n: 12, method: 'bootstrap' })
    expect(estimate.low).toBeCloseTo(0.41463415, 2)
    expect(estimate.high).toBeCloseTo(0.78571429, 2)
  })

  test('of a paired difference agrees with numpy', () => {
    const estimate = bootstrapDifference(
      before.map((a, index) => ({ a, b: after[index]! })),
      { resamples: 50_000 },
    )
    expect(estimate.value).toBeCloseTo(33 / 44 - 27 / 44, 14)
    expect(estimate.low).toBeCloseTo(0.02083333, 2)
    expect(estimate.high).toBeCloseTo(0.26470588, 2)
  })

  test('is the same for the same seed and differs for another', () => {
    const [first, again, other] = [1, 1, 2].map((seed) => bootstrapMean(before, { seed, resamples: 200 }))
    expect(again).toEqual(first)
    expect(other).not.toEqual(first)
  })

  test('is wider than independence would have it when the samples of a problem agree', () => {
    const rng = new Rng(1)
    const problems = Array.from({ length: 200 }, () => (rng.next() < 0.5 ? 1 : 0))
    const clustered = bootstrapMean(problems.map((p) => clusterOf(Array<number>(8).fill(p))))
    const independent = wilson(
      problems.reduce<number>((sum, p) => sum + 8 * p, 0),
      1600,
    )
    const ratio = (clustered.high! - clustered.low!) / (independent.high! - independent.low!)
    // The design effect of eight equal samples is 8, its root 2.83.
    expect(ratio).toBeGreaterThan(2.5)
    expect(ratio).toBeLessThan(3.2)
  })

  test('too little data has no interval, none at all no mean', () => {
    expect(bootstrapMean([clusterOf([1, 0])])).toEqual({
      value: 0.5,
      low: null,
      high: null,
      n: 1,
      method: 'bootstrap',
    })
    expect(() => bootstrapMean([])).toThrow(ElenchusError)
    expect(() => bootstrapMean([clusterOf([]), clusterOf([])])).toThrow(ElenchusError)
    expect(bootstrapMean([clusterOf([]), clusterOf([1])])).toMatchObject({ value: 1, low: 1, high: 1 })
  })

  test('together, over shared resamples, each is what it is alone, whatever empties or sizes stand beside it', () => {
    const lists = [
      before,
      before.toReversed(),
      [...before, clusterOf([])],
      [clusterOf([]), clusterOf([1, 0]), clusterOf([])],
    ]
    const options = { seed: 9, resamples: 300 }
    expect(bootstrapMeans(lists, options)).toEqual(lists.map((list) => bootstrapMean(list, options)))
    const pairs = lists.map((list) => list.map((a, index) => ({ a, b: list.at(index - 1)! })))
    expect(bootstrapDifferences(pairs, options)).toEqual(
      pairs.map((list) => bootstrapDifference(list, options)),
    )
    expect(bootstrapMeans([], options)).toEqual([])
  })
})

describe('calibration', () => {
  const scores = [0.9, 0.1, 0.8, 0.35, 0.35, 0.4, 0.6, 0.6, 0.35, 0.2]
  const outcomes = [true, false, true, true, false, false, true, false, true, false]
  const forecasts = scores.map((confidence, index) => ({ confidence, outcome: outcomes[index]! }))

  test('auc counts ties half', () => {
    // scipy 1.17.1: mannwhitneyu(positive, negative).statistic / 25
    expect(auc(forecasts)).toBeCloseTo(0.78, 14)
    expect(auc(forecasts.map((each) => ({ ...each, confidence: 0.5 })))).toBe(0.5)
    expect(auc(forecasts.map((each) => ({ ...each, confidence: each.outcome ? 2 : -7 })))).toBe(1)
  })

  test('auc of one kind of outcome is not defined, of no number an error', () => {
    expect(auc(forecasts.filter((each) => each.outcome))).toBeNull()
    expect(auc([])).toBeNull()
    expect(() => auc([{ confidence: Number.NaN, outcome: true }])).toThrow(ElenchusError)
  })

  test('bins hold (low, high], the first one 0 too; empty bins have no means', () => {
    const bins = reliabilityBins(
      [0, 0.25, 0.2500001, 1].map((confidence) => ({ confidence, outcome: true })),
      4,
    )
    expect(bins.map((bin) => bin.count)).toEqual([2, 1, 0, 1])
    expect(bins[0]).toEqual({ low: 0, high: 0.25, count: 2, mean_confidence: 0.125, accuracy: 1 })
    expect(bins[2]).toMatchObject({ mean_confidence: null, accuracy: null })
    expect(() => reliabilityBins([{ confidence: 1.1, outcome: true }])).toThrow(ElenchusError)
    expect(() => reliabilityBins([{ confidence: Number.NaN, outcome: true }])).toThrow(ElenchusError)
  })

  test('expected calibration error by hand', () => {
    // Bins of 1/2: confidences .35 .35 .4 .35 .1 .2 (2 of 6 true, mean 1.75/6) and .9 .8 .6 .6 (3 of 4, mean 2.9/4).
    const expected = 0.6 * Math.abs(2 / 6 - 1.75 / 6) + 0.4 * Math.abs(3 / 4 - 2.9 / 4)
    expect(expectedCalibrationError(forecasts, 2)).toBeCloseTo(expected, 14)
    expect(() => expectedCalibrationError([])).toThrow(ElenchusError)
  })
})

describe('several samples', () => {
  // Exact rational arithmetic.
  test.each([
    [10, 3, 1, 0.3],
    [10, 3, 5, 0.9166666666666666],
    [200, 7, 100, 0.9929911172418123],
    [8, 0, 8, 0],
    [8, 1, 8, 1],
    [5, 4, 2, 1],
  ])('pass@k: n=%i, %i right, k=%i', (n, correct, k, expected) => {
    expect(passAtK(n, correct, k)).toBeCloseTo(expected, 12)
  })

  test('pass@k outside its range is an error', () => {
    for (const [n, correct, k] of [
      [4, 1, 5],
      [4, 5, 1],
      [4, 1, 0],
    ] as const) {
      expect(() => passAtK(n, correct, k)).toThrow(ElenchusError)
    }
  })

  test.each([
    [['TRUE', 'FALSE', 'FALSE', null, null, null], { answer: 'FALSE', votes: 2, tied: false }],
    [['FALSE', 'TRUE', 'TRUE', 'FALSE'], { answer: 'FALSE', votes: 2, tied: true }],
    [['A', 'B', 'B'], { answer: 'B', votes: 2, tied: false }],
    [[null, null], { answer: null, votes: 0, tied: false }],
  ])('the vote of %j', (answers, expected) => {
    expect(majorityVote(answers)).toEqual(expected)
  })
})
