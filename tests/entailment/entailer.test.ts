import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { createEntailer, createForwardEntailer } from '../../src/entailment/entailer.ts'
import { decideByClosure, type EntailmentQuestion } from '../../src/logic/search/closure.ts'
import { binaryTheories, readFormulas } from '../support/theories.ts'

const entailer = createEntailer()
const z3 = createEntailer({ method: 'z3' })
afterAll(async () => {
  await entailer[Symbol.asyncDispose]()
  await z3[Symbol.asyncDispose]()
})

describe('full first-order logic', () => {
  test.each([
    [['a = b', 'P(a)'], 'P(b)', 'proved'],
    [['∀x ∃y Loves(x, y)', '∀x ∀y (Loves(x, y) → Happy(x))'], 'Happy(a)', 'proved'],
    [['∀x ((A(x) ∧ B(x)) → D(x))', 'A(a)', 'B(a)'], '¬D(a)', 'refuted'],
    [['∃x (A(x) ∧ B(x) ∧ D(x))'], 'A(a)', 'unknown'],
    [['∀x ((A(x) ∧ B(x)) → D(x))', 'A(a)', 'B(a)', '¬D(a)'], 'E(a)', 'inconsistent'],
    [['∃y ∀x Loves(x, y)'], '∀x ∃y Loves(x, y)', 'proved'],
    [['∀x ∃y Loves(x, y)'], '∃y ∀x Loves(x, y)', 'unknown'],
    [['P(a, a) → Q', 'P(a) ∧ P(a, a)'], 'Q', 'proved'],
    [['P(a) ∧ P(a, a)', '¬P(b)'], 'a = b', 'refuted'],
  ])('%j: %s is %s', async (premises, query, entailment) => {
    expect(await z3.decide(readFormulas(premises, query))).toEqual({ entailment, method: 'z3' })
  })

  test('names of the data cannot be taken for syntax', async () => {
    // A store takes any name, also ones that no parser reads.
    const { store } = readFormulas([], 'P(a)')
    const hostile = store.atom('p) (assert false', [store.constant('| c')])
    const question: EntailmentQuestion = { store, premises: [hostile], query: hostile }
    expect(await z3.decide(question)).toEqual({ entailment: 'proved', method: 'z3' })
  })
})

test('the closure and Z3 agree on random theories of its fragment', async () => {
  const seen = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(binaryTheories, async (theory) => {
      const entailment = decideByClosure(theory)
      expect(await z3.decide(theory)).toEqual({ entailment, method: 'z3' })
      seen.set(String(entailment), (seen.get(String(entailment)) ?? 0) + 1)
    }),
    { numRuns: 400, seed: 3 },
  )
  expect([...seen.keys()].toSorted()).toEqual(['inconsistent', 'proved', 'refuted', 'unknown'])
}, 480_000)

test('the closure answers where it can, Z3 elsewhere', async () => {
  expect(await entailer.decide(readFormulas(['A(a)'], 'A(a)'))).toMatchObject({ method: 'closure' })
  expect(await entailer.decide(readFormulas(['a = a'], 'A(a)'))).toMatchObject({ method: 'z3' })
})

/** n + 1 pigeons in n holes: no model, and no short proof of that. */
function pigeons(holes: number): EntailmentQuestion {
  const sits = (pigeon: number, hole: number): string => `H${pigeon}_${hole}`
  const range = Array.from({ length: holes }, (_, k) => k)
  const premises = [...range, holes].map((pigeon) => range.map((hole) => sits(pigeon, hole)).join(' ∨ '))
  for (const hole of range) {
    for (const pigeon of [...range, holes]) {
      for (let other = 0; other < pigeon; other += 1) {
        premises.push(`¬(${sits(pigeon, hole)} ∧ ${sits(other, hole)})`)
      }
    }
  }
  return readFormulas(premises, 'Q')
}

describe('limits', () => {
  test('Z3 gives up at its resource limit, the same way each time', async () => {
    const first = await z3.decide(pigeons(8), { rlimit: 20_000 })
    expect(first).toMatchObject({ entailment: 'undecided', method: 'z3' })
    expect(first.reason).toMatch(/^Z3 gave up: /)
    expect(await z3.decide(pigeons(8), { rlimit: 20_000 })).toMatchObject({ entailment: 'undecided' })
    expect(await z3.decide(pigeons(3))).toMatchObject({ entailment: 'inconsistent' })
  })

  test('wall time ends the process; the next question gets a new one', async () => {
    const late = await z3.decide(pigeons(14), { rlimit: 4_000_000_000, timeoutMs: 200 })
    expect(late).toEqual({
      entailment: 'undecided',
      method: 'z3',
      reason: 'Z3 took longer than 200 ms.',
    })
    expect(await z3.decide(readFormulas(['A(a)'], 'A(a)'))).toMatchObject({ entailment: 'proved' })
  })
})

test('forward rules say so where they do not apply', async () => {
  const forward = createForwardEntailer()
  expect(await forward.decide(readFormulas(['A(a)', '∀x (A(x) → B(x))'], 'B(a)'))).toEqual({
    entailment: 'proved',
    method: 'forward',
  })
  expect(await forward.decide(readFormulas(['A(a) ∨ B(a)'], 'A(a)'))).toMatchObject({
    entailment: 'undecided',
  })
})
