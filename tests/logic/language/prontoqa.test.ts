import { describe, expect, test } from 'vitest'
import { FormulaStore, sameFormula } from '../../../src/logic/formula.ts'
import { folParser } from '../../../src/logic/language/fol.ts'
import { prontoqaParser } from '../../../src/logic/language/prontoqa.ts'
import { renderFol } from '../../../src/logic/language/render-fol.ts'

const THEORY = [
  'Every wumpus is a numpus.',
  'Each slow gorpus is an impus.',
  'Sally is a lempus or a lorpus.',
  'Rompuses are not red.',
  'Natural numbers are integers.',
  '31 is a natural number.',
  'Each Mersenne prime is real.',
  'Butterflies are nervous.',
  'Max is a butterfly.',
  'Sheep are felines.',
]

function reading(text: string, sentences: readonly string[] = THEORY): string {
  const parsed = prontoqaParser(new FormulaStore(), sentences).parse(text)
  return parsed.ok ? renderFol(parsed.formula) : `${parsed.position}: ${parsed.message}`
}

describe('forms of the official generator', () => {
  test.each([
    ['Sally is a wumpus.', 'wumpus(Sally)'],
    ['Sally is not an impus.', '¬impus(Sally)'],
    ['Sally is red.', 'is_red(Sally)'],
    ['Sally is not red.', '¬is_red(Sally)'],
    ['Every wumpus is a numpus.', '∀x (wumpus(x) → numpus(x))'],
    ['Each wumpus is not red.', '∀x (wumpus(x) → ¬is_red(x))'],
    ['Wumpuses are numpuses.', '∀x (wumpus(x) → numpus(x))'],
    ['All wumpuses are not numpuses.', '∀x (wumpus(x) → ¬numpus(x))'],
    ['No wumpus is a numpus.', '∀x (wumpus(x) → ¬numpus(x))'],
    ['No wumpuses are numpuses.', '∀x (wumpus(x) → ¬numpus(x))'],
    ['Rompuses are nervous.', '∀x (rompus(x) → is_nervous(x))'],
    ['Slow gorpuses are shy impuses.', '∀x ((is_slow(x) ∧ gorpus(x)) → (is_shy(x) ∧ impus(x)))'],
    ['Every bitter gorpus is an impus.', '∀x ((is_bitter(x) ∧ gorpus(x)) → impus(x))'],
    ['Wumpuses are numpuses and impuses.', '∀x (wumpus(x) → (numpus(x) ∧ impus(x)))'],
    ['Sally is a slow gorpus.', 'is_slow(Sally) ∧ gorpus(Sally)'],
    ['Sally is slow or a gorpus.', 'is_slow(Sally) ∨ gorpus(Sally)'],
    ['Sally is a wumpus, slow, and an impus.', '(wumpus(Sally) ∧ is_slow(Sally)) ∧ impus(Sally)'],
    ['Sally is a wumpus or slow or an impus.', '(wumpus(Sally) ∨ is_slow(Sally)) ∨ impus(Sally)'],
    [
      'Everything that is a wumpus, a gorpus, and an impus is a rompus.',
      '∀x (((wumpus(x) ∧ gorpus(x)) ∧ impus(x)) → rompus(x))',
    ],
    ['Everything that is slow or a gorpus is an impus.', '∀x ((is_slow(x) ∨ gorpus(x)) → impus(x))'],
    ['Sally is not a wumpus and Sally is not an impus.', '¬wumpus(Sally) ∧ ¬impus(Sally)'],
    ['Sally is not a wumpus or an impus.', '¬(wumpus(Sally) ∨ impus(Sally))'],
    ['31 is a natural number.', 'natural_number(31)'],
    ['Natural numbers are integers.', '∀x (natural_number(x) → integer(x))'],
    ['Mersenne primes are prime numbers.', '∀x (Mersenne_prime(x) → prime_number(x))'],
    ['Butterflies are felines.', '∀x (butterfly(x) → feline(x))'],
    ['Sheep are felines.', '∀x (sheep(x) → feline(x))'],
    ['Max is cold-blooded.', 'is_cold-blooded(Max)'],
    ['True or false: Sally is not red.', '¬is_red(Sally)'],
    ['Prove: Sally is red.', 'is_red(Sally)'],
    ['Sally belongs to wumpuses.', 'wumpus(Sally)'],
    ['Sally does not belong to natural numbers.', '¬natural_number(Sally)'],
  ])('%s', (text, formula) => {
    expect(reading(text)).toBe(formula)
  })

  test.each([
    ['If Sally is a wumpus then Sally is red.', 'wumpus(Sally) → is_red(Sally)'],
    ['If Sally is a wumpus, then Sally is red.', 'wumpus(Sally) → is_red(Sally)'],
    ['Sally is red if and only if Max is red.', 'is_red(Sally) ↔ is_red(Max)'],
    ['It is not the case that Sally is red and Max is red.', '¬(is_red(Sally) ∧ is_red(Max))'],
    ['Something is a wumpus and red.', '∃x (wumpus(x) ∧ is_red(x))'],
    ['There is a contradiction.', '⊥'],
  ])('derived by the rules: %s', (text, formula) => {
    expect(reading(text)).toBe(formula)
  })
})

describe('what must not be conflated', () => {
  test('plurals that share a prefix', () => {
    const theory = ['Every lempus is a dog.', 'Every lempuse is a cat.', 'Max is a lempus.']
    expect(reading('Max is a lempuse.', theory)).not.toBe(reading('Max is a lempus.', theory))
    expect(reading('Lempuses are red.', theory)).toMatch(
      /^0: "Lempuses" is the plural of lempus and of lempuse/i,
    )
    expect(reading('Wumpus are numpuses.')).toMatch(/^0: "wumpus" is not a plural/)
  })

  test('a plural follows the singular that the theory has', () => {
    expect(reading('Houses are red.', ['Every house is red.'])).toBe('∀x (house(x) → is_red(x))')
    expect(reading('Lempuses are red.', ['Every lempuse is red.'])).toBe('∀x (lempuse(x) → is_red(x))')
  })

  test('a class and a property of the same spelling', () => {
    const theory = ['Every orange is tasty.', 'Gorpuses are orange.', 'Max is orange.']
    expect(reading('Max is orange.', theory)).toBe('is_orange(Max)')
    expect(reading('Max is an orange.', theory)).toBe('orange(Max)')
  })

  test('look-alike letters and casing', () => {
    expect(reading('S\u0430lly is a wumpus.')).toBe('wumpus(S\u0430lly)')
    expect(reading('S\u0430lly is a wumpus.')).not.toBe('wumpus(Sally)')
    expect(reading('Sally is a Wumpus.')).toBe('Wumpus(Sally)')
    expect(reading('sally is a wumpus.')).toMatch(/^0: /)
  })
})

test('a missing article is repaired for a class of the theory, and for nothing else', () => {
  const parser = prontoqaParser(new FormulaStore(), THEORY)
  const repaired = parser.parse('Sally is numpus.')
  expect(repaired).toMatchObject({ ok: true, repairs: ['article'], formula: { predicate: 'numpus' } })
  expect(parser.parse('31 is natural number')).toMatchObject({ ok: true, repairs: ['article'] })
  expect(parser.parse('Sally is yumpus.')).toMatchObject({ repairs: [], formula: { predicate: 'is_yumpus' } })
  expect(parser.parse('Sally is nervous.')).toMatchObject({ repairs: [] })
})

test.each([
  ['', '0: The sentence is empty.'],
  ['Sally is a wumpus; Max is red.', '17: Unexpected character ";".'],
  ['It is a wumpus.', '0: Expected a subject and its verb.'],
  ['Everyone is red.', '0: Expected a subject and its verb.'],
  ['Sally a wumpus.', '0: Expected a subject and its verb.'],
  ['Sally is', '8: Expected a class or a property.'],
  ['Sally is a', '10: Expected a noun.'],
  ['Sally is a wumpus a numpus.', '11: "wumpus" is not a property.'],
  ['Sally is red and slow or shy.', '22: A list with both "and" and "or" is ambiguous.'],
  ['Sally is red, slow.', '18: A list needs "and" or "or" before its last item.'],
  ['Sally is not red, not slow, and shy.', '9: It is ambiguous what "not" denies.'],
  ['Young things are furry.', '6: "things" is not a class.'],
  ['Every wumpus are red.', '13: Expected "is".'],
  ['Sally is a wumpus. Max is red.', '19: "Max" was not expected here.'],
  ['Prove: Sally is', '15: Expected a class or a property.'],
  ['Sally is not', '12: Expected a class or a property.'],
])('%j is refused at its place', (text, message) => {
  expect(reading(text)).toBe(message)
})

test('hostile text costs linear time and never crashes', () => {
  const parser = prontoqaParser(new FormulaStore(), THEORY)
  expect(parser.parse('it is not the case that '.repeat(600)).ok).toBe(false)
  expect(parser.parse('Sally is red and '.repeat(5_000)).ok).toBe(false)
  expect(parser.parse(`Sally is ${'red and '.repeat(400)}red.`)).toMatchObject({ ok: true })
})

test('the same text gives the same object', () => {
  const store = new FormulaStore()
  const parser = prontoqaParser(store, THEORY)
  expect(parser.parse('Sally is red.')).toBe(parser.parse('Sally is red.'))
  const fol = folParser(store).parse('is_slow(Sally) ∧ gorpus(Sally)')
  const english = parser.parse('Sally is a slow gorpus.')
  expect(fol.ok && english.ok && sameFormula(fol.formula, english.formula)).toBe(true)
})
