import { describe, expect, test } from 'vitest'
import { FormulaStore } from '../../../src/logic/formula.ts'
import { proofwriterParser } from '../../../src/logic/language/proofwriter.ts'
import { renderFol } from '../../../src/logic/language/render-fol.ts'

function reading(text: string): string {
  const parsed = proofwriterParser(new FormulaStore()).parse(text)
  return parsed.ok ? renderFol(parsed.formula) : `${parsed.position}: ${parsed.message}`
}

describe('surface forms', () => {
  test.each([
    ['Anne is red.', 'is_red(Anne)'],
    ['The bald eagle is not red.', '¬is_red(the_bald_eagle)'],
    ['The cat chases the bald eagle.', 'chase(the_cat, the_bald_eagle)'],
    ['The cat does not chase Anne.', '¬chase(the_cat, Anne)'],
    ['Red, cold people are rough.', '∀x ((is_red(x) ∧ is_cold(x)) → is_rough(x))'],
    ['All red things are not rough.', '∀x (is_red(x) → ¬is_rough(x))'],
    ['All things are red.', '∀x is_red(x)'],
    ['If something is red and not cold then it is rough.', '∀x ((is_red(x) ∧ ¬is_cold(x)) → is_rough(x))'],
    [
      'If someone likes the dog and they are not red then they do not need the dog.',
      '∀x ((like(x, the_dog) ∧ ¬is_red(x)) → ¬need(x, the_dog))',
    ],
    [
      'If something sees the cat and the cat is red then the cat chases the dog.',
      '∀x ((see(x, the_cat) ∧ is_red(the_cat)) → chase(the_cat, the_dog))',
    ],
    ['If Anne is red and Anne is kind then Bob is big.', '(is_red(Anne) ∧ is_kind(Anne)) → is_big(Bob)'],
    ['There is a contradiction.', '⊥'],
  ])('%s', (text, formula) => {
    expect(reading(text)).toBe(formula)
  })

  test.each([
    ['It is red.', '0: "it" refers to nobody.'],
    ['If Anne is red then it is kind.', '20: "it" refers to nobody.'],
    ['Someone is red.', '0: "someone" can only open the condition of a rule.'],
    ['The cat the dog.', '8: "the" is not a verb.'],
    ['The cat chases.', '14: Expected a verb.'],
    ['Anne is.', '7: Expected a property.'],
    ['Anne is a wumpus.', '8: Expected a property.'],
    ['If Anne is red Bob is big.', '15: Expected "then".'],
    ['anne is red.', '0: Expected an individual.'],
  ])('%j is refused at its place', (text, message) => {
    expect(reading(text)).toBe(message)
  })
})
