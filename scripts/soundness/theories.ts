import type { PreparedProblem } from '../../src/logic/checker/prepare.ts'
import { FormulaStore, type BinaryKind, type Formula, type Term } from '../../src/logic/formula.ts'
import { folParser } from '../../src/logic/language/fol.ts'
import type { Rng } from '../../src/random.ts'

/** Few names, so that random formulas have much to do with each other. */
const UNARY = ['P', 'Q', 'S'] as const
const BINARY = ['R'] as const
export const CONSTANTS = ['a', 'b', 'c', 'd'] as const
const CONNECTIVES: readonly BinaryKind[] = ['and', 'or', 'xor', 'implies', 'implies', 'iff']

/** A sentence, or a formula with up to `open` free variables, nested at most `depth` deep. */
export function randomFormula(rng: Rng, store: FormulaStore, depth: number, open = 0): Formula {
  const roll = depth === 0 ? 0 : rng.next()
  if (roll < 0.3) return randomAtom(rng, store, open)
  if (roll < 0.45) return store.not(randomFormula(rng, store, depth - 1, open))
  if (roll < 0.75) {
    const left = randomFormula(rng, store, depth - 1, open)
    return store.binary(rng.pick(CONNECTIVES), left, randomFormula(rng, store, depth - 1, open))
  }
  const kind = rng.next() < 0.6 ? 'forall' : 'exists'
  return store.quantified(kind, 'x', randomFormula(rng, store, depth - 1, open + 1))
}

function randomAtom(rng: Rng, store: FormulaStore, open: number): Formula {
  const term = (): Term =>
    open > 0 && rng.next() < 0.75 ? store.bound(rng.int(open)) : store.constant(rng.pick(CONSTANTS))
  const roll = rng.next()
  if (roll < 0.05) return store.equals(term(), term())
  if (roll < 0.3) return store.atom(rng.pick(BINARY), [term(), term()])
  return store.atom(rng.pick(UNARY), [term()])
}

/** Forms that rules feed on; without them most rules would never apply. */
const FODDER = [
  '∀x (P(x) → Q(x))',
  '∀x (Q(x) → S(x))',
  '∀x ∃y R(x, y)',
  '∃x ∀y R(x, y)',
  '∃x (P(x) ∧ Q(x))',
  '∃x P(x)',
  '∀x ∀y (R(x, y) → R(y, x))',
  '∀x ∀y (R(x, y) ∧ P(x) → S(y))',
  '∀x (P(x) ∨ S(x))',
  'P(a)',
  'P(b)',
  '¬S(a)',
  'P(a) ∨ Q(b)',
  'Q(a) ⊕ S(b)',
  'P(a) → Q(b)',
  'Q(b) → P(a)',
  'Q(a) ↔ S(a)',
  '¬¬P(c)',
  'P(a) ∧ R(a, b)',
  '∃x ¬P(x)',
] as const

/** A theory of one to five premises, and a query, with nothing known about what follows. */
export function randomProblem(rng: Rng): PreparedProblem {
  const store = new FormulaStore()
  const parser = folParser(store)
  const premises = Array.from({ length: 1 + rng.int(5) }, () => {
    if (rng.next() < 0.3) return randomFormula(rng, store, 3)
    const parsed = parser.parse(rng.pick(FODDER))
    if (!parsed.ok) throw new Error(parsed.message)
    return parsed.formula
  })
  return { verifiable: true, store, parser, premises, query: randomFormula(rng, store, 2), entailment: null }
}
