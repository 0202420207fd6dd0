import { describe, expect, test } from 'vitest'
import { parseTheory, type ReadTheory } from '../../../src/logic/language/theory.ts'
import { searchProof } from '../../../src/logic/search/proof-search.ts'
import { readFormulas } from '../../support/theories.ts'
import { isGold, judge } from './judged.ts'

function read(premises: readonly string[], conclusion: string): ReadTheory {
  const theory = parseTheory({ premises, conclusion })
  if (!theory.ok) throw new Error(JSON.stringify(theory.reasons))
  return theory
}

function written({ steps }: ReturnType<typeof searchProof>): string[] {
  return steps.map(({ option, args }) => `${option}${JSON.stringify(args)}`)
}

describe('the shortest proof, which the checker accepts', () => {
  test.each([
    ['a premise', ['Max is red.'], 'Max is red.', []],
    [
      'a chain, the shorter of two',
      [
        'Wumpuses are impuses.',
        'Impuses are gorpuses.',
        'Every wumpus is a gorpus.',
        'Gorpuses are red.',
        'Max is a wumpus.',
      ],
      'Max is red.',
      ['MODUS_PONENS[4,2]', 'MODUS_PONENS[5,3]'],
    ],
    [
      'a refutation by modus tollens',
      ['Every wumpus is red.', 'Max is not red.'],
      'Max is a wumpus.',
      ['MODUS_TOLLENS[1,0]'],
    ],
    [
      'a conjunction built and taken apart',
      ['Every slow gorpus is a wumpus and an impus.', 'Max is a gorpus.', 'Max is slow.'],
      'Max is an impus.',
      ['AND_INTRO[2,1]', 'MODUS_PONENS[3,0]', 'AND_ELIM[4,1]'],
    ],
    [
      'a disjunction built',
      ['Everything that is slow or a gorpus is a wumpus.', 'Max is a gorpus.'],
      'Max is a wumpus.',
      ['OR_INTRO[1,1,"Max is slow."]', 'MODUS_PONENS[2,0]'],
    ],
    [
      'cases',
      ['Max is a wumpus or an impus.', 'Wumpuses are red.', 'Impuses are red.'],
      'Max is red.',
      [
        'ASSUME["Max is a wumpus."]',
        'MODUS_PONENS[3,1]',
        'ASSUME["Max is an impus."]',
        'MODUS_PONENS[5,2]',
        'CASE_SPLIT[0,3,4,5,6]',
      ],
    ],
    [
      'elimination rather than cases',
      ['Max is a wumpus or an impus.', 'Wumpuses are red.', 'Max is not an impus.'],
      'Max is red.',
      ['DISJUNCTIVE_SYLLOGISM[0,2]', 'MODUS_PONENS[3,1]'],
    ],
    [
      'a contradiction',
      ['Wumpuses are red.', 'Wumpuses are not red.'],
      'Max is a wumpus.',
      ['ASSUME["Max is a wumpus."]', 'MODUS_PONENS[2,1]', 'MODUS_PONENS[2,0]', 'CONTRADICTION[3,4,2]'],
    ],
    [
      'a universal query',
      ['Wumpuses are impuses.', 'Impuses are red.'],
      'Every wumpus is red.',
      [
        'ASSUME["Alex is a wumpus."]',
        'MODUS_PONENS[2,0]',
        'MODUS_PONENS[3,1]',
        'CONDITIONAL_PROOF[2,4]',
        'UNIV_GENERALIZATION[5,"Alex"]',
      ],
    ],
  ])('%s', (_, premises, query, steps) => {
    const theory = read(premises, query)
    const proof = searchProof(theory)
    expect(written(proof)).toEqual(steps)
    expect(isGold(judge(theory, proof))).toBe(true)
  })

  test('over formulas: relations, biconditionals, exclusive or', () => {
    const theory = readFormulas(
      [
        '∀x ∀y (Likes(x, y) → Likes(y, x))',
        'Likes(tom, ann)',
        'Likes(ann, tom) ↔ Happy(ann)',
        'Happy(ann) ⊕ Sad(ann)',
      ],
      'Sad(ann)',
    )
    const proof = searchProof(theory)
    expect(proof).toMatchObject({ status: 'refuted', line: 7 })
    expect(isGold(judge(theory, proof))).toBe(true)
  })

  test('names the line that holds the query', () => {
    expect(searchProof(read(['Max is shy.', 'Max is red.'], 'Max is red.'))).toMatchObject({
      status: 'proved',
      line: 1,
    })
  })
})

describe('no proof, with the reason', () => {
  test('unknown', () => {
    expect(searchProof(read(['Wumpuses are red.', 'Max is red.'], 'Max is a wumpus.'))).toEqual({
      status: 'unknown',
      steps: [],
      reason: 'Neither "Max is a wumpus" nor its negation follows from the premises.',
    })
  })

  test('inconsistent, found by the closure or by two proofs', () => {
    expect(searchProof(read(['Max is red.', 'Max is not red.'], 'Max is shy.'))).toMatchObject({
      status: 'inconsistent',
      steps: [],
    })
    const theory = read(
      ['Every slow gorpus is red.', 'Every slow gorpus is not red.', 'Max is a slow gorpus.'],
      'Max is red.',
    )
    expect(searchProof(theory)).toMatchObject({ status: 'inconsistent' })
  })

  test('not found: entailed by equality, which no rule knows', () => {
    expect(searchProof(readFormulas(['a = b', 'P(a)'], 'P(b)'))).toMatchObject({
      status: 'not_found',
      steps: [],
    })
  })
})
