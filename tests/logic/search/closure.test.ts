import { describe, expect, test } from 'vitest'
import { FormulaStore } from '../../../src/logic/formula.ts'
import { folParser } from '../../../src/logic/language/fol.ts'
import { decideByClosure, type EntailmentQuestion } from '../../../src/logic/search/closure.ts'
import { decideForwards } from '../../../src/logic/search/forward.ts'

function question(premises: readonly string[], query: string): EntailmentQuestion {
  const store = new FormulaStore()
  const parser = folParser(store)
  const [conclusion, ...given] = [query, ...premises].map((text) => {
    const parsed = parser.parse(text)
    if (!parsed.ok) throw new Error(`${text}: ${parsed.message}`)
    return parsed.formula
  })
  if (conclusion === undefined) throw new Error('no query')
  return { store, premises: given, query: conclusion }
}

describe('closure of the implication graph', () => {
  test.each([
    [['A(c)', '∀x (A(x) → B(x))', '∀x (B(x) → ¬D(x))'], 'D(c)', 'refuted'],
    [['¬B(c)', '∀x (A(x) → B(x))'], '¬A(c)', 'proved'],
    [['A(c)', '∀x (A(x) → B(x))'], 'B(d)', 'unknown'],
    [['∀x (A(x) → B(x))', '∀x (A(x) → ¬B(x))'], '¬A(c)', 'proved'],
    [['A(c) ∨ B(c)', '∀x (A(x) → D(x))', '∀x (B(x) → D(x))'], 'D(c)', 'proved'],
    [['∀x ((A(x) ∨ B(x)) → D(x))', '¬D(c)'], '¬A(c) ∧ ¬B(c)', 'proved'],
    [['∀x (A(x) → (B(x) ∧ D(x)))', '¬D(c)'], 'A(c)', 'refuted'],
    [['∀x (A(x) → B(x))', '∀x (B(x) → D(x))'], '∀x (A(x) → D(x))', 'proved'],
    [['∀x (A(x) → B(x))'], '∀x (B(x) → A(x))', 'unknown'],
    [['∃x A(x)', '∀x (A(x) → B(x))'], '∃x B(x)', 'proved'],
    [['∃x A(x)'], 'A(c)', 'unknown'],
    [['∀x A(x)'], '∃x A(x)', 'proved'],
    [['A(c) ↔ B(c)', 'B(c) ⊕ D(c)', 'D(c)'], 'A(c)', 'refuted'],
    [['A(c)', '¬A(c)'], 'B(c)', 'inconsistent'],
    [['∀x A(x)', '∀x ¬A(x)'], 'B(c)', 'inconsistent'],
    [['∀x A(x)', '∀x ¬A(x)'], 'Q', 'inconsistent'],
    [['⊥'], 'B(c)', 'inconsistent'],
    [[], 'A(c) ∨ ¬A(c)', 'proved'],
    [[], 'A(c) ∧ ¬A(c)', 'refuted'],
    [['Loves(a, b)', '∀x (Loves(a, x) → Nice(x))'], 'Nice(b)', 'proved'],
  ])('%j: %s is %s', (premises, query, entailment) => {
    expect(decideByClosure(question(premises, query))).toBe(entailment)
  })

  test.each([
    ['three literals', ['∀x ((A(x) ∧ B(x)) → D(x))'], 'D(c)'],
    ['equality', ['a = b'], 'A(a)'],
    ['an existential inside a universal', ['∀x (A(x) → ∃y R(x, y))'], 'A(c)'],
    ['a query of three literals', ['A(c)'], 'A(c) ∨ B(c) ∨ D(c) ∧ E(c)'],
  ])('%s is outside its fragment', (_, premises, query) => {
    expect(decideByClosure(question(premises, query))).toBeNull()
  })

  test('a chain of 2,000 rules is no problem for the stack', () => {
    const rules = Array.from({ length: 2_000 }, (_, k) => `∀x (P${k}(x) → P${k + 1}(x))`)
    expect(decideByClosure(question(['P0(c)', ...rules], 'P2000(c)'))).toBe('proved')
  })
})

describe('rules applied forwards only', () => {
  test.each([
    [['A(c)', '∀x (A(x) → B(x))'], 'B(c)', 'proved'],
    [['A(c)', '∀x (A(x) → ¬B(x))'], 'B(c)', 'refuted'],
    [['¬B(c)', '∀x (A(x) → B(x))'], 'A(c)', 'unknown'],
    [['A(c)', '¬B(c)', '∀x ((A(x) ∧ ¬B(x)) → D(x))', '(D(c) ∧ A(c)) → E(d)'], 'E(d)', 'proved'],
    [['A(c)', '¬A(c)'], 'A(c)', 'inconsistent'],
    [['A(c)', '¬A(c)'], 'B(c)', 'unknown'],
  ])('%j: %s is %s', (premises, query, entailment) => {
    expect(decideForwards(question(premises, query))).toBe(entailment)
  })

  test.each([
    ['a disjunction', ['A(c) ∨ B(c)'], 'A(c)'],
    ['two variables', ['∀x ∀y (R(x, y) → A(x))'], 'A(c)'],
    ['a query that is no literal', ['A(c)'], 'A(c) ∧ B(c)'],
  ])('%s is outside its fragment', (_, premises, query) => {
    expect(decideForwards(question(premises, query))).toBeNull()
  })
})
