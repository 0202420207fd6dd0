import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FormulaStore } from '../../../src/logic/formula.ts'
import { folParser } from '../../../src/logic/language/fol.ts'
import type { SentenceParser } from '../../../src/logic/language/parser.ts'
import { prontoqaParser } from '../../../src/logic/language/prontoqa.ts'
import { proofwriterParser } from '../../../src/logic/language/proofwriter.ts'
import { renderSentence } from '../../../src/logic/language/render.ts'
import { build, sketches, type Vocabulary } from './formulas.ts'

const THEORY = ['Every wumpus is an impus.', 'Each natural number is a Mersenne prime.', 'Sally is red.']

/** Renders random formulas and reads them back; returns how many had a sentence. */
function roundTrips(vocabulary: Vocabulary, parserOf: (store: FormulaStore) => SentenceParser): number {
  let said = 0
  fc.assert(
    fc.property(sketches(vocabulary), (sketch) => {
      const store = new FormulaStore()
      const formula = build(store, sketch, vocabulary.constants[0] ?? '')
      const parser = parserOf(store)
      const text = renderSentence(formula, parser.language)
      if (text === null) return
      said += 1
      const parsed = parser.parse(text)
      // As one value, so that a failure shows the sentence.
      const same = parsed.ok && parsed.formula === formula && parsed.repairs.length === 0
      expect({ text, same }).toEqual({ text, same: true })
    }),
    { numRuns: 5_000, seed: 1 },
  )
  return said
}

describe('a rendered formula is read back as the same formula', () => {
  test('first-order text, for every formula', () => {
    const predicates = [
      ['P', 0],
      ['Q', 1],
      ['Loves', 2],
      ['is_cold-blooded', 1],
    ] as const
    const vocabulary = { predicates, constants: ['a', 'c++', 'mr.smith'], equality: true }
    expect(roundTrips(vocabulary, folParser)).toBe(5_000)
  })

  test('PrOntoQA, where its English has a sentence', () => {
    const predicates = [
      ['wumpus', 1],
      ['impus', 1],
      ['natural_number', 1],
      ['Mersenne_prime', 1],
      ['is_red', 1],
      ['is_orange', 1],
    ] as const
    const vocabulary = { predicates, constants: ['Sally', 'Max', '31'], equality: false }
    expect(roundTrips(vocabulary, (store) => prontoqaParser(store, THEORY))).toBeGreaterThan(1_500)
  })

  test('ProofWriter, where its English has a sentence', () => {
    const predicates = [
      ['is_red', 1],
      ['is_kind', 1],
      ['chase', 2],
      ['carry', 2],
    ] as const
    const vocabulary = { predicates, constants: ['Anne', 'the bald eagle'], equality: false }
    expect(roundTrips(vocabulary, proofwriterParser)).toBeGreaterThan(1_500)
  })
})

test.each([
  ['∀x (wumpus(x) → impus(x))', 'Every wumpus is an impus.'],
  ['∀x ((is_slow(x) ∧ gorpus(x)) → ¬is_red(x))', 'Every slow gorpus is not red.'],
  ['∀x ((is_slow(x) ∨ gorpus(x)) → impus(x))', 'Everything that is slow or a gorpus is an impus.'],
  [
    '∀x (((wumpus(x) ∧ gorpus(x)) ∧ impus(x)) → (rompus(x) ∧ lempus(x)))',
    'Everything that is a wumpus, a gorpus, and an impus is a rompus and a lempus.',
  ],
  ['is_orange(Sally) ∧ wumpus(Sally)', 'Sally is an orange wumpus.'],
  ['wumpus(Sally) ∧ is_orange(Sally)', 'Sally is a wumpus and orange.'],
  ['¬wumpus(Sally) ∧ is_red(Sally)', 'Sally is not a wumpus and Sally is red.'],
  ['¬(wumpus(Sally) ∨ is_red(Sally))', 'Sally is not a wumpus or red.'],
  ['¬¬is_red(Sally)', 'It is not the case that Sally is not red.'],
  ['wumpus(Sally) → is_red(Max)', 'If Sally is a wumpus then Max is red.'],
  ['Mersenne_prime(31)', '31 is a Mersenne prime.'],
  ['(wumpus(Sally) ∨ is_red(Max)) ∧ impus(Sally)', null],
  ['wumpus(Sally) ⊕ is_red(Sally)', null],
  ['∀x ∀y Likes(x, y)', null],
])('%s in PrOntoQA', (formula, sentence) => {
  const parsed = folParser(new FormulaStore()).parse(formula)
  expect(parsed.ok && renderSentence(parsed.formula, 'prontoqa')).toBe(sentence)
})
