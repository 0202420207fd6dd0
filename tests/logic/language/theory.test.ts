import { describe, expect, test } from 'vitest'
import { parseTheory } from '../../../src/logic/language/theory.ts'

describe('one language for a whole problem', () => {
  test('PrOntoQA before ProofWriter, each only if it reads every sentence', () => {
    const prontoqa = parseTheory({ premises: ['Every wumpus is red.'], conclusion: 'Max is red.' })
    expect(prontoqa).toMatchObject({ ok: true, parser: { language: 'prontoqa' } })
    const proofwriter = parseTheory({
      premises: ['Red things are cold.', 'Max is red.'],
      conclusion: 'Max is cold.',
    })
    expect(proofwriter).toMatchObject({ ok: true, parser: { language: 'proofwriter' } })
  })

  test('one unread sentence makes the problem unverifiable, with its place', () => {
    const premises = ['Every wumpus is red.', 'Wumpuses, mostly, are kind.']
    expect(parseTheory({ premises, conclusion: 'Max is red' })).toMatchObject({
      ok: false,
      reasons: [{ index: 1, position: 8 }],
    })
    expect(parseTheory({ premises: ['Max is red.'], conclusion: 'Who?' })).toMatchObject({
      ok: false,
      reasons: [{ index: 'conclusion', position: 3 }],
    })
  })
})

describe('formulas', () => {
  const premises = ['All cats are nice.', 'Tom is a cat.']
  const premises_fol = ['∀x (Cat(x) → Nice(x))', 'Cat(tom)']

  test('are what the judge reads where they are there', () => {
    const theory = parseTheory({
      premises,
      conclusion: 'Tom is nice.',
      premises_fol,
      conclusion_fol: 'Nice(tom)',
    })
    expect(theory).toMatchObject({ ok: true, parser: { language: 'fol' }, query: { predicate: 'Nice' } })
  })

  test('without one for the conclusion, or with another number, the problem is unverifiable', () => {
    expect(parseTheory({ premises, conclusion: 'Tom is nice.', premises_fol })).toEqual({
      ok: false,
      reasons: [{ index: 'conclusion', message: 'The conclusion has no formula.', position: 0 }],
    })
    const fewer = { premises, conclusion: '', premises_fol: ['Cat(tom)'], conclusion_fol: 'Nice(tom)' }
    expect(parseTheory(fewer)).toEqual({
      ok: false,
      reasons: [{ index: 1, message: '2 premises have 1 formulas.', position: 0 }],
    })
  })

  test('malformed ones are errors with a position, not guesses', () => {
    const broken = {
      premises,
      conclusion: 'x',
      premises_fol: ['Cat(tom))', 'Cat(tom)'],
      conclusion_fol: 'Nice(tom',
    }
    expect(parseTheory(broken)).toMatchObject({
      reasons: [
        { index: 0, position: 8 },
        { index: 'conclusion', position: 8 },
      ],
    })
  })
})
