import { expect, test } from 'vitest'
import { nextKlCoef } from '../../../src/training/ppo/kl-control.ts'

const control = { target: 6, horizon: 1000 }

test('without a target the coefficient stays', () => {
  expect(nextKlCoef(0.02, 100, 64, { target: undefined, horizon: 1000 })).toBe(0.02)
})

test('grows above the target and shrinks below it, by the share of the horizon', () => {
  expect(nextKlCoef(0.1, 6.6, 100, control)).toBeCloseTo(0.1 * (1 + 0.1 * 0.1))
  expect(nextKlCoef(0.1, 5.4, 100, control)).toBeCloseTo(0.1 * (1 - 0.1 * 0.1))
  expect(nextKlCoef(0.1, 6, 100, control)).toBe(0.1)
})

test('one observation counts for a fifth at most', () => {
  expect(nextKlCoef(0.1, 600, 100, control)).toBeCloseTo(0.1 * 1.02)
  expect(nextKlCoef(0.1, 0, 100, control)).toBeCloseTo(0.1 * 0.98)
})

test('never turns negative, however many answers an iteration has', () => {
  expect(nextKlCoef(0.1, 0, 1e6, control)).toBe(0)
})
