import * as fc from 'fast-check'
import { parseTheory, type ReadTheory } from '../../src/logic/language/theory.ts'

const PREDICATES = ['A', 'B', 'C', 'D', 'E'] as const
const CONSTANTS = ['a', 'b'] as const

const literal = fc.tuple(fc.boolean(), fc.constantFrom(...PREDICATES))

function said([positive, predicate]: readonly [boolean, string], term: string): string {
  return `${positive ? '' : '¬'}${predicate}(${term})`
}

const constant = fc.constantFrom(...CONSTANTS)
const fact = fc.tuple(literal, constant).map(([each, name]) => said(each, name))
const rule = fc
  .tuple(literal, literal)
  .map(([left, right]) => `∀x (${said(left, 'x')} → ${said(right, 'x')})`)
const choice = fc
  .tuple(literal, literal, constant)
  .map(([left, right, name]) => `${said(left, name)} ∨ ${said(right, name)}`)
const condition = fc
  .tuple(literal, literal, literal, fc.boolean())
  .map(([a, b, c, or]) =>
    or
      ? `∀x ((${said(a, 'x')} ∨ ${said(b, 'x')}) → ${said(c, 'x')})`
      : `∀x (${said(a, 'x')} → (${said(b, 'x')} ∧ ${said(c, 'x')}))`,
  )

/** Random theories of clauses with at most two literals, and a literal to be decided. */
export const binaryTheories: fc.Arbitrary<ReadTheory> = fc
  .tuple(
    fc.array(
      fc.oneof(
        { weight: 3, arbitrary: fact },
        { weight: 5, arbitrary: rule },
        { weight: 1, arbitrary: choice },
        { weight: 2, arbitrary: condition },
      ),
      { minLength: 1, maxLength: 8 },
    ),
    fact,
  )
  .map(([premises, query]) => readFormulas(premises, query))

/** A theory of formulas that are known to be well-formed. */
export function readFormulas(premises_fol: readonly string[], conclusion_fol: string): ReadTheory {
  const theory = parseTheory({
    premises: premises_fol,
    conclusion: conclusion_fol,
    premises_fol,
    conclusion_fol,
  })
  if (!theory.ok) throw new Error(JSON.stringify(theory.reasons))
  return theory
}
