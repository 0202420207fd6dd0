import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseNumber } from '../../src/answers/number.ts'
import {
  add,
  divide,
  equal,
  floor,
  format,
  MAX_BITS,
  multiply,
  power,
  rational,
  subtract,
  ZERO,
} from '../../src/answers/rational.ts'
import type { Rational } from '../../src/answers/rational.ts'

const q = (text: string): Rational => {
  const value = parseNumber(text)
  if (value === null) throw new Error(`no number: ${text}`)
  return value
}

const anyRational = fc
  .tuple(fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), fc.bigInt({ min: 1n, max: 2n ** 40n }))
  .map(([n, d]) => rational(n, d)!)

test('decimals are exact', () => {
  expect(add(q('0.1'), q('0.2'))).toEqual(q('0.3'))
  expect(multiply(q('1.1'), q('1.1'))).toEqual(q('1.21'))
  expect(divide(q('1'), q('3'))).toEqual(q('1/3'))
})

test('undefined results are null', () => {
  expect(divide(q('1'), ZERO)).toBeNull()
  expect(power(ZERO, q('-1'))).toBeNull()
  expect(power(q('2'), q('0.5'))).toBeNull()
  expect(power(q('2'), q(String(MAX_BITS + 1)))).toBeNull()
  expect(rational(2n ** BigInt(MAX_BITS) + 1n)).toBeNull()
  expect(power(q('2'), q('-3'))).toEqual(q('0.125'))
})

test('floor goes down, also below zero', () => {
  expect([q('2.7'), q('-2.7'), q('-3'), q('0')].map(floor)).toEqual([2n, -3n, -3n, 0n])
})

test('format writes what parseNumber reads', () => {
  expect(['18', '-55.5', '0.05', '-0.05', '1/3', '100'].map((t) => format(q(t)))).toEqual([
    '18',
    '-55.5',
    '0.05',
    '-0.05',
    '1/3',
    '100',
  ])
  fc.assert(
    fc.property(anyRational, (value) => {
      const text = format(value)
      fc.pre(text.length < 60)
      expect(parseNumber(text)).toEqual(value)
    }),
  )
})

test('addition and subtraction undo each other, multiplication and division too', () => {
  fc.assert(
    fc.property(anyRational, anyRational, (a, b) => {
      expect(equal(subtract(add(a, b)!, b)!, a)).toBe(true)
      fc.pre(b.numerator !== 0n)
      expect(equal(divide(multiply(a, b)!, b)!, a)).toBe(true)
    }),
  )
})
