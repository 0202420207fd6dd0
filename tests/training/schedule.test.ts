import { describe, expect, test } from 'vitest'
import { learningRateAt } from '../../src/training/schedule.ts'

const config = { learning_rate: 1, warmup_ratio: 0.2 }
const rates = (schedule: 'constant' | 'linear' | 'cosine', total = 10) =>
  Array.from({ length: total }, (_, index) => learningRateAt(index + 1, total, { ...config, schedule }))

describe('learning rate', () => {
  test('warms up linearly and never starts at 0', () => {
    expect(rates('constant').slice(0, 3)).toEqual([0.5, 1, 1])
  })
  test('linear falls to just above 0 at the last step', () => {
    expect(rates('linear').slice(1)).toEqual([1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
  })
  test('cosine is half way down in the middle', () => {
    expect(rates('cosine')[2]).toBe(1)
    expect(rates('cosine')[6]).toBeCloseTo(0.5)
    expect(rates('cosine')[9]).toBeCloseTo(0.0381, 4)
  })
  test('without warm-up the first step has the full rate', () => {
    expect(learningRateAt(1, 4, { learning_rate: 2, warmup_ratio: 0, schedule: 'linear' })).toBe(2)
  })
})
