import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { decideByClosure } from '../../../src/logic/search/closure.ts'
import { searchProof } from '../../../src/logic/search/proof-search.ts'
import { binaryTheories } from '../../support/theories.ts'
import { isGold, judge } from './judged.ts'

test('whatever the closure decides has a proof that the checker accepts', () => {
  const decided = { proved: 0, refuted: 0 }
  fc.assert(
    fc.property(binaryTheories, (theory) => {
      const entailment = decideByClosure(theory)
      expect(entailment).not.toBeNull()
      if (entailment !== 'proved' && entailment !== 'refuted') return
      const proof = searchProof(theory)
      expect(proof.status).toBe(entailment)
      expect(isGold(judge(theory, proof))).toBe(true)
      decided[entailment] += 1
    }),
    { numRuns: 2_000, seed: 7 },
  )
  expect(decided.proved).toBeGreaterThan(200)
  expect(decided.refuted).toBeGreaterThan(200)
})
