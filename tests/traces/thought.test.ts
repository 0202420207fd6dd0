import { describe, expect, test } from 'vitest'
import { prepareProblem } from '../../src/logic/checker/prepare.ts'
import { renderFol } from '../../src/logic/language/render-fol.ts'
import { readThought, type ReadThought, type ThoughtKind } from '../../src/traces/thought.ts'

const english = prepareProblem({
  premises: [
    'Max is a yumpus.',
    'Every yumpus is a wumpus.',
    'Every wumpus is not red.',
    'Sally is a numpus.',
  ],
  conclusion: 'Max is red.',
})
const formulas = prepareProblem({
  premises: ['-'],
  conclusion: '-',
  premises_fol: ['So(max)'],
  conclusion_fol: 'Red(max)',
})

function read(text: string, kind: ThoughtKind = 'derivation', problem = english): ReadThought {
  if (!problem.verifiable) throw new Error('unverifiable')
  return readThought(text, kind, problem.parser)
}

/** Claims in short: a formula, a label, or "?" for what cannot be read. */
function claims(text: string, kind: ThoughtKind = 'derivation', problem = english): string[] {
  return read(text, kind, problem).claims.map((claim) => {
    if (claim.kind === 'formula') return renderFol(claim.formula) + (claim.repairs > 0 ? ' (repaired)' : '')
    return claim.kind === 'label' ? claim.label : '?'
  })
}

const WUMPUS = 'wumpus(Max)'

describe('what announces a claim', () => {
  test.each([
    'So Max is a wumpus.',
    'so Max is a wumpus',
    'So, Max is a wumpus. [8]',
    'Max is a yumpus. [1] Every yumpus is a wumpus. [0] So Max is a wumpus. [8]',
    'Max is a yumpus [1] and every yumpus is a wumpus [0], so Max is a wumpus [8].',
    'Max is a yumpus, so that Max is a wumpus.',
    'Since Max is a yumpus and every yumpus is a wumpus, we can conclude that Max is a wumpus.',
    'Therefore, Max is a wumpus!',
    'Therefore, we can conclude that Max is a wumpus.',
    'HENCE Max is a wumpus.',
    'Thus: Max is a wumpus',
    'This concludes that Max is a wumpus.',
    'We derive Max is a wumpus; nothing else.',
    'From this I infer that "Max is a wumpus".',
    'It follows that Max is a wumpus.',
    'Now we have derived that Max is a wumpus.',
    'We conclude:\nMax is a wumpus.',
    'We conclude that\n\n  Max is a wumpus\nas required',
    'So Max is a wumpus[8]',
    'So “Max is a wumpus”.',
    "Thus 'Max is a wumpus'.",
  ])('%s', (text) => {
    expect(claims(text)).toEqual([WUMPUS])
  })

  test.each([
    'Max is a wumpus.',
    'Max is a yumpus. [1] Every yumpus is a wumpus. [0]',
    'It follows from [0] and [1].',
    'We derived it before.',
    'Suppose that Max is a wumpus.',
    'Ѕо Max is a wumpus.',
    'Soon Max is a wumpus.',
    'Max also is a wumpus.',
    '',
  ])('nothing in: %s', (text) => {
    expect(claims(text)).toEqual([])
  })

  test('every claim counts', () => {
    expect(claims('So Max is a wumpus. So Max is red.')).toEqual([WUMPUS, 'is_red(Max)'])
    expect(claims('So Max is red, therefore Max is a wumpus.')).toEqual(['is_red(Max)', WUMPUS])
    expect(claims('Therefore Max is a wumpus [8] so Max is red [9].')).toEqual([WUMPUS, 'is_red(Max)'])
  })
})

describe('claims that cannot be read without guessing', () => {
  test.each([
    'So it is a wumpus.',
    'Therefore he is a wumpus.',
    'So Max is a wumpus, which is red.',
    'So Max is a wumpus because every yumpus is a wumpus.',
    'So Max might be a wumpus.',
    'So is Max a wumpus?',
    'So Max is a wumpus?',
    'We cannot conclude that Max is a wumpus.',
    'We can not infer that Max is a wumpus.',
    'It does not follow, and we never conclude that Max is a wumpus.',
    'Therefore.',
    'So',
    'Thus we can conclude that',
    'So Max is a a wumpus.',
    'So the answer is TRUE.',
    'So Max is a wumpus and therefore.',
  ])('%s', (text) => {
    expect(claims(text)).toContain('?')
  })

  test('a denied sentence before the marker denies nothing', () => {
    expect(claims('Max is not red, so Max is a wumpus.')).toEqual([WUMPUS])
    expect(claims('Max is not red, we conclude that Max is a wumpus.')).toEqual([WUMPUS])
    expect(claims('We cannot conclude that Max is red. So Max is a wumpus.')).toEqual(['?', WUMPUS])
  })

  test('the reason names the character', () => {
    expect(read('So Max is zzz of.').claims[0]).toMatchObject({ kind: 'unreadable', text: 'Max is zzz of' })
  })
})

test('a missing article is supplied, and counted', () => {
  expect(claims('So Sally is numpus.')).toEqual(['numpus(Sally) (repaired)'])
})

describe('quotes', () => {
  const quotes = (text: string): unknown[] =>
    read(text).quotes.map(({ text: said, index, formula }) => [
      said,
      index,
      formula === null ? null : renderFol(formula),
    ])

  test('a sentence with an index behind it, claims included', () => {
    expect(quotes('Max is a yumpus. [1] Every yumpus is a wumpus. [0] So Max is a wumpus. [8]')).toEqual([
      ['Max is a yumpus', 1, 'yumpus(Max)'],
      ['Every yumpus is a wumpus', 0, '∀x (yumpus(x) → wumpus(x))'],
      ['Max is a wumpus', 8, WUMPUS],
    ])
  })

  test('inside one long sentence', () => {
    expect(
      quotes('Since Max is a yumpus [1] and every yumpus is a wumpus [0], so Max is a wumpus [8].'),
    ).toEqual([
      ['Max is a yumpus', 1, 'yumpus(Max)'],
      ['every yumpus is a wumpus', 0, '∀x (yumpus(x) → wumpus(x))'],
      ['Max is a wumpus', 8, WUMPUS],
    ])
  })

  test('what cannot be read is kept as text', () => {
    expect(quotes('Max a red. [1]')).toEqual([['Max a red', 1, null]])
  })

  test.each(['[1]', '. [1]', 'Max is red. [x]', 'Max is red. []', 'Max is red. [1', 'Max is red. [1, 2]'])(
    'none in: %s',
    (text) => {
      expect(quotes(text)).toEqual([])
    },
  )

  test('numbers without end are one index', () => {
    expect(quotes(`Max is red. [${'9'.repeat(400)}]`)).toEqual([['Max is red', 1e9, 'is_red(Max)']])
  })
})

describe('ASSUME', () => {
  test.each(['Assume Max is red. [9]', 'Suppose that Max is red.', 'Let us suppose Max is red.'])(
    '%s',
    (text) => {
      expect(claims(text, 'assumption')).toEqual(['is_red(Max)'])
    },
  )
})

describe('CONCLUDE', () => {
  test.each([
    ['Max is not red. [11] The query is Max is red. So the answer is FALSE.', ['FALSE']],
    ['The answer is FALSE.', ['FALSE']],
    ['the final answer is: true', ['TRUE']],
    ['Therefore, the query is unknown.', ['UNKNOWN']],
    ['So the conclusion is Uncertain', ['UNKNOWN']],
    ['TRUE', ['TRUE']],
    ['So TRUE.', ['TRUE']],
    ['So it is false.', ['FALSE']],
    ['So Max is not red.', ['¬is_red(Max)']],
    ['So Max is not red. The statement is FALSE.', ['¬is_red(Max)', 'FALSE']],
    ['The answer is TRUE. The answer is FALSE.', ['TRUE', 'FALSE']],
    ['The answer is not TRUE.', ['?']],
    ['So the answer is maybe.', ['?']],
    ['The query is Max is red.', []],
    ['Max is not red.', []],
    ['', []],
  ])('%s', (text, expected) => {
    expect(claims(text, 'conclusion')).toEqual(expected)
  })
})

describe('formulas as claims', () => {
  test.each([
    ['So Red(max). [3]', ['Red(max)']],
    ['So(max) holds. Therefore ∀x (So(x) → Red(x)). [3]', ['∀x (So(x) → Red(x))']],
    ['∀x ∀y (P(x) → Q(y)) [0] P(a) [1] so Q(b) [2]', ['Q(b)']],
    ['So Red(x).', ['?']],
  ])('%s', (text, expected) => {
    expect(claims(text, 'derivation', formulas)).toEqual(expected)
  })
})
