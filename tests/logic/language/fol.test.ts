import { describe, expect, test } from 'vitest'
import { FormulaStore } from '../../../src/logic/formula.ts'
import { folParser } from '../../../src/logic/language/fol.ts'
import { renderFol } from '../../../src/logic/language/render-fol.ts'

function reading(text: string): string {
  const parsed = folParser(new FormulaStore()).parse(text)
  return parsed.ok ? renderFol(parsed.formula) : `${parsed.position}: ${parsed.message}`
}

describe('formulas', () => {
  test.each([
    ['∀x (Drinks(x) → Dependent(x))', '∀x (Drinks(x) → Dependent(x))'],
    ['forall x (Drinks(x) -> Dependent(x)).', '∀x (Drinks(x) → Dependent(x))'],
    ['∀x ∃y Likes(x, y)', '∀x ∃y Likes(x, y)'],
    ['∀x ∃x P(x)', '∀x ∃y P(y)'],
    ['∀x. P(x) -> Q(x)', '∀x (P(x) → Q(x))'],
    ['∀x P(x) → Q(a)', '∀x P(x) → Q(a)'],
    ['~P(a) & Q(a) | R(a)', '(¬P(a) ∧ Q(a)) ∨ R(a)'],
    ['not P(a) and Q(a) xor R(a)', '(¬P(a) ∧ Q(a)) ⊕ R(a)'],
    ['P(a) -> Q(a) -> R(a)', 'P(a) → (Q(a) → R(a))'],
    ['P(a) <-> Q(a) -> R(a)', 'P(a) ↔ (Q(a) → R(a))'],
    ['P(a) ⟷ Q(a)', 'P(a) ↔ Q(a)'],
    ['A(x1a) ∧ a = b', 'A(x1a) ∧ (a = b)'],
    ['a ≠ b', '¬(a = b)'],
    ['Rainy', 'Rainy'],
    ['⊥', '⊥'],
    ['WrittenIn(app, c++) ∧ Science-fiction(gpt-3)', 'WrittenIn(app, c++) ∧ Science-fiction(gpt-3)'],
    ['Lives(mr.smith, y1976)', 'Lives(mr.smith, y1976)'],
    ['LostToIgaŚwiątek(a)', 'LostToIgaŚwiątek(a)'],
  ])('%s', (text, formula) => {
    expect(reading(text)).toBe(formula)
  })

  test.each([
    ['', '0: The formula is empty.'],
    ['∀x P(x) → Q(x)', '12: The variable "x" is free.'],
    ['P(a))', '4: This parenthesis was never opened.'],
    ['(P(a) ∧ Q(a)', '0: This parenthesis is never closed.'],
    ['∀x (P(x) Q(x))', '9: "Q" was not expected here.'],
    ['P(a) ^ Q(a)', '5: Unexpected character "^".'],
    ['P(captain america)', '10: Expected "," or ")".'],
    ['P(f(a))', '3: Functions are not supported.'],
    ['P(a) ∨ Q(a) ⊕ R(a)', '12: "∨" and "⊕" together need parentheses.'],
    ['P(a) ∧', '6: The formula ends too early.'],
    ['∀ (P(x))', '2: Expected a variable.'],
    ['∀x x', '3: "x" is a variable, not a formula.'],
    ['P()', '2: Expected a constant or a variable.'],
    ['→ P(a)', '0: Expected a formula, not "→".'],
  ])('%j is refused at its place', (text, message) => {
    expect(reading(text)).toBe(message)
  })

  test('look-alike letters make other names', () => {
    expect(reading('P(\u0430)')).not.toBe(reading('P(a)'))
  })

  test('depth and size are limited', () => {
    expect(reading('¬'.repeat(5_000) + 'P(a)')).toMatch(/nested too deeply/)
    expect(reading('('.repeat(5_000) + 'P(a)')).toMatch(/nested too deeply/)
    expect(reading(`${'P(a) ∧ '.repeat(400)}P(a)`)).toMatch(/^\(+P/)
    expect(reading(`${'P(a) ∧ '.repeat(600)}P(a)`)).toMatch(/exceeds the limit/)
  })
})
