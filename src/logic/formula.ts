/**
 * The one formula type: first-order logic with equality, n-ary predicates and constants.
 *
 * Formulas are hash-consed in a {@link FormulaStore}: within one store, two formulas are the same
 * object exactly if they are alpha-equivalent (bound variables are de Bruijn indices, names are only
 * hints for printing). `canonical` goes one step further: equal for formulas that differ only in the
 * order of the operands of `and`, `or`, `xor` and `iff`, at any depth, and in the order of `=`.
 * Equality in the judge is always `sameFormula`, a number comparison.
 */
export type Term =
  | { readonly kind: 'constant'; readonly name: string }
  /** De Bruijn index: 0 is the innermost enclosing quantifier. */
  | { readonly kind: 'bound'; readonly index: number }

export type BinaryKind = 'and' | 'or' | 'xor' | 'implies' | 'iff'
export type QuantifierKind = 'forall' | 'exists'

interface Node {
  /** Unique within the store. */
  readonly id: number
  /** Same number for formulas equal up to commutativity (see the file comment). */
  readonly canonical: number
  /** Number of nodes when written out as a tree (atoms count 1, terms 0). */
  readonly size: number
  /** Longest path from the root to an atom (atoms 1); bounds every recursion over formulas. */
  readonly height: number
  /** Number of binders that must enclose this formula for it to be closed; 0 for a sentence. */
  readonly open: number
}

export type Formula =
  | (Node & { readonly kind: 'falsum' })
  | (Node & { readonly kind: 'atom'; readonly predicate: string; readonly terms: readonly Term[] })
  | (Node & { readonly kind: 'equals'; readonly left: Term; readonly right: Term })
  | (Node & { readonly kind: 'not'; readonly body: Formula })
  | (Node & { readonly kind: BinaryKind; readonly left: Formula; readonly right: Formula })
  | (Node & { readonly kind: QuantifierKind; readonly variable: string; readonly body: Formula })

/** Largest formula (as a tree) that a store makes; see DESIGN section 3, "Formulas are shared graphs". */
export const MAX_FORMULA_NODES = 4096

/** Deepest nesting that a store makes; far beyond any sentence, well within the stack of a recursive walk. */
export const MAX_FORMULA_HEIGHT = 512

/**
 * Thrown by a store when a formula would exceed {@link MAX_FORMULA_NODES} or {@link MAX_FORMULA_HEIGHT};
 * the judge reports `too_large`.
 */
export class FormulaTooLarge extends Error {}

/** Makes and shares formulas. One store per problem: nothing is shared between problems. */
export class FormulaStore {
  #nextId = 0
  readonly #nodes = new Map<string, Formula>()
  readonly #canonical = new Map<string, number>()
  readonly #constants = new Map<string, Term>()
  readonly #bound: Term[] = []
  /** Numbers for the names of predicates and constants, so that no name can imitate the syntax of a key. */
  readonly #names = new Map<string, number>()

  constant(name: string): Term {
    let term = this.#constants.get(name)
    if (term === undefined) this.#constants.set(name, (term = { kind: 'constant', name }))
    return term
  }

  bound(index: number): Term {
    return (this.#bound[index] ??= { kind: 'bound', index })
  }

  falsum(): Formula {
    const known = this.#nodes.get('F')
    if (known !== undefined) return known
    const id = this.#newId(1, 1)
    return this.#keep('F', { kind: 'falsum', id, canonical: id, size: 1, height: 1, open: 0 })
  }

  atom(predicate: string, terms: readonly Term[]): Formula {
    let key = `a${this.#number(predicate)}`
    let open = 0
    for (const term of terms) {
      key += this.#termKey(term)
      if (term.kind === 'bound') open = Math.max(open, term.index + 1)
    }
    const known = this.#nodes.get(key)
    if (known !== undefined) return known
    const id = this.#newId(1, 1)
    return this.#keep(key, { kind: 'atom', id, canonical: id, size: 1, height: 1, open, predicate, terms })
  }

  equals(left: Term, right: Term): Formula {
    const a = this.#termKey(left)
    const b = this.#termKey(right)
    const key = `=${a}${b}`
    const known = this.#nodes.get(key)
    if (known !== undefined) return known
    const open = Math.max(...[left, right].map((t) => (t.kind === 'bound' ? t.index + 1 : 0)))
    const id = this.#newId(1, 1)
    const canonical = this.#canonicalOf(a < b ? key : `=${b}${a}`, id)
    return this.#keep(key, { kind: 'equals', id, canonical, size: 1, height: 1, open, left, right })
  }

  not(body: Formula): Formula {
    const key = `!${body.id}`
    const known = this.#nodes.get(key)
    if (known !== undefined) return known
    const size = body.size + 1
    const height = body.height + 1
    const id = this.#newId(size, height)
    const canonical = this.#canonicalOf(`!${body.canonical}`, id)
    return this.#keep(key, { kind: 'not', id, canonical, size, height, open: body.open, body })
  }

  /** The negation of P, where the negation of not-P is P (DESIGN section 3). */
  negation(formula: Formula): Formula {
    return formula.kind === 'not' ? formula.body : this.not(formula)
  }

  binary(kind: BinaryKind, left: Formula, right: Formula): Formula {
    const key = `${kind}${left.id},${right.id}`
    const known = this.#nodes.get(key)
    if (known !== undefined) return known
    const size = left.size + right.size + 1
    const height = Math.max(left.height, right.height) + 1
    const open = Math.max(left.open, right.open)
    const id = this.#newId(size, height)
    const swap = kind !== 'implies' && left.canonical > right.canonical
    const [first, second] = swap ? [right, left] : [left, right]
    const canonical = this.#canonicalOf(`${kind}${first.canonical},${second.canonical}`, id)
    return this.#keep(key, { kind, id, canonical, size, height, open, left, right })
  }

  /** `variable` is a name for printing only; `body` refers to the bound variable by de Bruijn index 0. */
  quantified(kind: QuantifierKind, variable: string, body: Formula): Formula {
    const key = `${kind}${body.id}`
    const known = this.#nodes.get(key)
    if (known !== undefined) return known
    const size = body.size + 1
    const height = body.height + 1
    const open = Math.max(0, body.open - 1)
    const id = this.#newId(size, height)
    const canonical = this.#canonicalOf(`${kind}${body.canonical}`, id)
    return this.#keep(key, { kind, id, canonical, size, height, open, variable, body })
  }

  #termKey(term: Term): string {
    return term.kind === 'bound' ? `#${term.index}` : `'${this.#number(term.name)}`
  }

  #number(name: string): number {
    let number = this.#names.get(name)
    if (number === undefined) this.#names.set(name, (number = this.#names.size))
    return number
  }

  #newId(size: number, height: number): number {
    if (size > MAX_FORMULA_NODES) {
      throw new FormulaTooLarge(`A formula of ${size} nodes exceeds the limit of ${MAX_FORMULA_NODES}.`)
    }
    if (height > MAX_FORMULA_HEIGHT) {
      throw new FormulaTooLarge(`A formula nested ${height} deep exceeds the limit of ${MAX_FORMULA_HEIGHT}.`)
    }
    return this.#nextId++
  }

  /** The number of the first formula with this canonical key: `id`, if it is this one. */
  #canonicalOf(key: string, id: number): number {
    const known = this.#canonical.get(key)
    if (known !== undefined) return known
    this.#canonical.set(key, id)
    return id
  }

  #keep(key: string, formula: Formula): Formula {
    this.#nodes.set(key, formula)
    return formula
  }
}

/** Equality of the judge: up to alpha-equivalence and commutativity of and/or/xor/iff. */
export function sameFormula(a: Formula, b: Formula): boolean {
  return a.canonical === b.canonical
}
