import * as fc from 'fast-check'
import type { Formula, FormulaStore, Term } from '../../../src/logic/formula.ts'

/** A formula before it is made in a store; variables count enclosing quantifiers from the innermost. */
export type Sketch =
  | { kind: 'atom'; predicate: string; terms: (string | number)[] }
  | { kind: 'equals'; left: string | number; right: string | number }
  | { kind: 'falsum' }
  | { kind: 'not'; body: Sketch }
  | { kind: 'and' | 'or' | 'xor' | 'implies' | 'iff'; left: Sketch; right: Sketch }
  | { kind: 'forall' | 'exists'; body: Sketch }

/** Makes the formula; variables that no quantifier binds become the first constant. */
export function build(store: FormulaStore, sketch: Sketch, fallback: string, depth = 0): Formula {
  const term = (each: string | number): Term =>
    typeof each === 'string'
      ? store.constant(each)
      : each < depth
        ? store.bound(each)
        : store.constant(fallback)
  const made = (each: Sketch, inner = depth): Formula => build(store, each, fallback, inner)
  if (sketch.kind === 'falsum') return store.falsum()
  if (sketch.kind === 'atom') return store.atom(sketch.predicate, sketch.terms.map(term))
  if (sketch.kind === 'equals') return store.equals(term(sketch.left), term(sketch.right))
  if (sketch.kind === 'not') return store.not(made(sketch.body))
  if ('body' in sketch) return store.quantified(sketch.kind, 'x', made(sketch.body, depth + 1))
  return store.binary(sketch.kind, made(sketch.left), made(sketch.right))
}

export interface Vocabulary {
  readonly predicates: readonly (readonly [name: string, arity: number])[]
  readonly constants: readonly string[]
  readonly equality: boolean
}

/** Any closed formula over a vocabulary. */
export function sketches({ predicates, constants, equality }: Vocabulary): fc.Arbitrary<Sketch> {
  const term = fc.oneof(fc.constantFrom(...constants), fc.constantFrom(0, 1))
  const atom = fc
    .constantFrom(...predicates)
    .chain(([predicate, arity]) =>
      fc
        .array(term, { minLength: arity, maxLength: arity })
        .map((terms): Sketch => ({ kind: 'atom', predicate, terms })),
    )
  const equals = fc.tuple(term, term).map(([left, right]): Sketch => ({ kind: 'equals', left, right }))
  const falsum = fc.constant<Sketch>({ kind: 'falsum' })
  const leaf = equality ? fc.oneof({ weight: 8, arbitrary: atom }, equals, falsum) : atom
  return fc.letrec<{ formula: Sketch }>((tie) => ({
    formula: fc.oneof(
      { maxDepth: 5, depthSize: 'medium' },
      leaf,
      tie('formula').map((body): Sketch => ({ kind: 'not', body })),
      fc
        .record({
          kind: fc.constantFrom(
            'and' as const,
            'or' as const,
            'xor' as const,
            'implies' as const,
            'iff' as const,
          ),
          left: tie('formula'),
          right: tie('formula'),
        })
        .map((sketch): Sketch => sketch),
      fc
        .record({ kind: fc.constantFrom('forall' as const, 'exists' as const), body: tie('formula') })
        .map((sketch): Sketch => sketch),
    ),
  })).formula
}
