import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Covered } from '../../src/bridge/under-way.ts'

test('spans that touch or overlap count once, whatever they reach back over', () => {
  const covered = new Covered()
  covered.add(0, 2)
  covered.add(1, 3)
  expect(covered.total).toBe(3)
  covered.add(5, 6)
  covered.add(8, 9)
  expect(covered.total).toBe(5)
  covered.add(4, 10)
  expect(covered.total).toBe(9)
  covered.add(10, 10)
  expect(covered.total).toBe(9)
})

test('the total is that of a tally of every tick', () => {
  const spans = fc.array(fc.record({ to: fc.nat({ max: 60 }), length: fc.nat({ max: 20 }) }), {
    maxLength: 40,
  })
  fc.assert(
    fc.property(spans, (found) => {
      const covered = new Covered()
      const ticks = new Set<number>()
      for (const { to, length } of found.toSorted((a, b) => a.to - b.to)) {
        covered.add(to - length, to)
        for (let tick = to - length; tick < to; tick++) ticks.add(tick)
      }
      expect(covered.total).toBe(ticks.size)
    }),
  )
})

test('very many spans stay few', () => {
  const covered = new Covered()
  for (let at = 0; at < 20_000; at++) covered.add(2 * at, 2 * at + 1)
  expect(covered.total).toBe(20_000)
})
