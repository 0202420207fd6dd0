import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FormulaStore, sameFormula, type BinaryKind, type Formula } from '../../src/logic/formula.ts'
import { folParser } from '../../src/logic/language/fol.ts'
import { match, universalPrefix } from '../../src/logic/matching.ts'
import { constantsOf, instantiate, predicatesOf } from '../../src/logic/substitution.ts'

const store = new FormulaStore()
const parser = folParser(store)

function formula(text: string): Formula {
  const parsed = parser.parse(text)
  if (!parsed.ok) throw new Error(parsed.message)
  return parsed.formula
}

/** The constants for the variables of a rule, outermost variable first; or why there are none. */
function matched(rule: string, target: string): string {
  const { variables, body } = universalPrefix(formula(rule))
  const found = match(body, formula(target), variables)
  if (found.kind !== 'instance') return found.kind
  return found.terms
    .map((term) => (term.kind === 'constant' ? term.name : '?'))
    .reverse()
    .join(' ')
}

describe('the proposal for an instance, before it is confirmed by substitution', () => {
  test.each([
    ['∀x P(x)', 'P(a)', 'a'],
    ['∀x ∀y R(x, y)', 'R(a, b)', 'a b'],
    ['∀x R(x, x)', 'R(a, b)', 'none'],
    ['∀x R(x, a)', 'R(b, a)', 'b'],
    ['∀x R(x, a)', 'R(b, b)', 'none'],
    ['∀x P(x)', 'Q(a)', 'none'],
    ['∀x P(x)', 'P(a, b)', 'none'],
    ['∀x P(x)', '¬P(a)', 'none'],
    ['∀x P(x)', 'a = b', 'none'],
    ['∀x ¬P(x)', '¬P(a)', 'a'],
    ['∀x ¬P(x)', 'P(a) ∧ Q(a)', 'none'],
    ['∀x (P(x) ∧ Q(x))', 'Q(a) ∧ P(a)', 'a'],
    ['∀x (P(x) → Q(x))', 'Q(a) → P(a)', 'none'],
    ['∀x (P(x) → P(a))', 'P(a) → P(b)', 'none'],
    ['∀x (P(x) → P(a))', 'P(b) → P(a)', 'b'],
    ['∀x (P(x) ∨ Q(x))', 'P(a) ∧ Q(a)', 'none'],
    ['∀x (P(x) ⊕ Q(a))', 'Q(a) ⊕ P(b)', 'b'],
    ['∀x (P(x) ↔ Q(b))', 'Q(b) ↔ P(a)', 'a'],
    ['∀x ∃y ∃z S(y, z, x)', '∃y ∃z S(y, z, a)', 'a'],
    ['∀x ∃y ∃z S(y, z, x)', '∃y ∃z S(z, y, a)', 'none'],
    ['∀x ∃y S(x, y)', '∃y S(a, b)', 'none'],
    ['∀x x = a', 'b = a', 'b'],
    ['∀x x = a', 'a = b', 'b'],
    ['∀x x = a', 'b = c', 'none'],
    ['∀x a = x', 'a = b', 'b'],
    ['∀x a = x', 'b = a', 'b'],
    ['∀x x = x', 'a = b', 'none'],
    ['∀x ∀y (x = y ∧ P(y))', 'a = b ∧ P(b)', 'a b'],
    ['∀x ∀y (x = y ∧ P(y))', 'a = b ∧ P(a)', 'b a'],
    ['∀x ∀y (x = y ∧ P(y))', 'a = b ∧ P(c)', 'none'],
    ['∀x x = a', 'P(a)', 'none'],
    ['∀x ∀z R(x, z)', 'R(a, a)', 'a a'],
    ['∀x ∃z R(x, z)', '∃z R(a, z)', 'a'],
    ['∀x ∃z R(x, z)', '∃z R(z, a)', 'none'],
    ['∀x ∃z R(z, x)', '∃z R(z, z)', 'none'],
    ['∀x ∃z R(z, x)', '∃z R(a, b)', 'none'],
    ['∀x ∃z ∀u (R(u, x) ∧ R(z, u))', '∃z ∀u (R(u, a) ∧ R(z, u))', 'a'],
    ['∀x ∃z ∀u (R(u, x) ∧ R(z, u))', '∃z ∀u (R(z, u) ∧ R(u, a))', 'a'],
    ['∀x ∃z ∀u (R(u, x) ∧ R(z, u))', '∃z ∀u (R(u, a) ∧ R(u, z))', 'none'],
    ['∀x ∃z R(x, z)', '∀z R(a, z)', 'none'],
    ['∀x (∃z R(x, z) → P(a))', '∃z R(b, z) → P(a)', 'b'],
    ['∀x (∃z R(x, z) → P(a))', '∃z R(b, z) → P(b)', 'none'],
    ['∀x ∀y P(x)', 'P(a)', 'undetermined'],
    ['∀x ∀y P(y)', 'P(a)', 'undetermined'],
    ['∀x ⊥', '⊥', 'undetermined'],
    ['∀x (P(x) ∧ ⊥)', 'P(a) ∧ ⊥', 'a'],
    ['∀x ∀y ((P(x) ∨ P(y)) ∧ Q(y))', '(P(a) ∨ P(b)) ∧ Q(a)', 'b a'],
    ['∀x ∀y (Q(y) ∧ (P(x) ∨ P(y)))', '(P(a) ∨ P(b)) ∧ Q(a)', 'b a'],
  ])('%s and %s: %s', (rule, target, expected) => {
    expect(matched(rule, target)).toBe(expected)
  })

  test('whatever an instance looks like after its operands have changed places, it is found', () => {
    const kinds: readonly BinaryKind[] = ['and', 'or', 'xor', 'implies', 'iff']
    const pattern: fc.Arbitrary<Formula> = fc.letrec<{ formula: Formula }>((tie) => ({
      formula: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom(
          store.atom('P', [store.bound(0)]),
          store.atom('R', [store.bound(0), store.bound(1)]),
          store.atom('R', [store.bound(1), store.constant('c')]),
          store.equals(store.bound(0), store.bound(1)),
        ),
        tie('formula').map((body) => store.not(body)),
        fc
          .tuple(fc.constantFrom(...kinds), tie('formula'), tie('formula'))
          .map(([kind, a, b]) => store.binary(kind, a, b)),
      ),
    })).formula
    const swapped = (part: Formula, coin: () => boolean): Formula => {
      if (part.kind === 'not') return store.not(swapped(part.body, coin))
      if (part.kind === 'equals') return coin() ? store.equals(part.right, part.left) : part
      if (!('left' in part)) return part
      const [a, b] = [swapped(part.left, coin), swapped(part.right, coin)]
      return part.kind !== 'implies' && coin() ? store.binary(part.kind, b, a) : store.binary(part.kind, a, b)
    }
    fc.assert(
      fc.property(
        pattern,
        fc.constantFrom('a', 'b', 'c'),
        fc.constantFrom('a', 'b', 'c'),
        fc.infiniteStream(fc.boolean()),
        (body, x, y, coins) => {
          const target = instantiate(store, body, [store.constant(x), store.constant(y)])
          const found = match(
            body,
            swapped(target, () => coins.next().value === true),
            2,
          )
          expect(['instance', 'undetermined']).toContain(found.kind)
          if (found.kind === 'instance')
            expect(sameFormula(instantiate(store, body, found.terms), target)).toBe(true)
        },
      ),
      { numRuns: 500, seed: 9 },
    )
  })
})

test('what occurs in a formula', () => {
  const sentence = formula('∀x (P(x) → R(x, a)) ∧ (b = c ∨ ¬Q(d))')
  expect([...constantsOf(sentence)].sort()).toEqual(['a', 'b', 'c', 'd'])
  expect([...predicatesOf(sentence)].sort()).toEqual(['P', 'Q', 'R'])
})
