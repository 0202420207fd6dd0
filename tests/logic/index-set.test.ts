import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  EMPTY,
  has,
  isSubset,
  members,
  singleton,
  union,
  without,
  type IndexSet,
} from '../../src/logic/index-set.ts'

function setOf(indices: readonly number[]): IndexSet {
  return indices.map(singleton).reduce<IndexSet>(union, EMPTY)
}

const indices = fc.uniqueArray(fc.nat(130), { maxLength: 12 })
const ascending = (values: Iterable<number>): number[] => [...values].sort((a, b) => a - b)

describe('against the sets of the language', () => {
  test('members, has', () => {
    fc.assert(
      fc.property(indices, fc.nat(130), (a, index) => {
        expect(members(setOf(a))).toEqual(ascending(a))
        expect(members(setOf(a), index)).toEqual(ascending(a).filter((member) => member >= index))
        expect(has(setOf(a), index)).toBe(a.includes(index))
      }),
    )
  })

  test('union and without leave no trace of what is not there', () => {
    fc.assert(
      fc.property(indices, indices, fc.nat(130), (a, b, index) => {
        expect(union(setOf(a), setOf(b))).toEqual(setOf(ascending(new Set([...a, ...b]))))
        expect(without(setOf(a), index)).toEqual(setOf(a.filter((member) => member !== index)))
        const [first = index] = a
        expect(without(setOf(a), first)).toEqual(setOf(a.filter((member) => member !== first)))
      }),
    )
  })

  test('isSubset, from an index on', () => {
    fc.assert(
      fc.property(indices, indices, fc.nat(130), fc.boolean(), (a, b, from, contained) => {
        const larger = contained ? [...b, ...a.filter((member) => member >= from)] : b
        const expected = a.filter((member) => member >= from).every((member) => larger.includes(member))
        expect(isSubset(setOf(a), setOf(larger), from)).toBe(expected)
      }),
    )
  })

  test('arguments are not changed', () => {
    const a = Object.freeze([...setOf([1, 40])])
    const b = Object.freeze([...setOf([1, 2, 70])])
    expect(() => [union(a, b), union(b, a), without(a, 40), members(a)]).not.toThrow()
  })

  test('the highest bit of a word is an index like any other', () => {
    expect(members(setOf([29, 30, 59]))).toEqual([29, 30, 59])
    expect(isSubset(setOf([29]), EMPTY, 29)).toBe(false)
    expect(isSubset(setOf([29]), EMPTY, 30)).toBe(true)
  })
})
