import type { Formula, FormulaStore, Term } from './formula.ts'

/**
 * Replaces the variables of the removed outer quantifiers of `body`: index i (seen from outside every
 * quantifier of `body`) becomes the constant `terms[i]`; 0 is the innermost removed quantifier.
 * Constants cannot be captured, so no renaming is needed.
 */
export function instantiate(store: FormulaStore, body: Formula, terms: readonly Term[]): Formula {
  return mapTerms(store, body, (term, depth) =>
    term.kind === 'bound' && term.index >= depth ? (terms[term.index - depth] ?? term) : term,
  )
}

/** The sentence with every occurrence of the constant replaced by the variable of a new outer quantifier. */
export function abstractConstant(store: FormulaStore, sentence: Formula, constant: string): Formula {
  return mapTerms(store, sentence, (term, depth) =>
    term.kind === 'constant' && term.name === constant ? store.bound(depth) : term,
  )
}

/** The names of the constants that occur in the formula. */
export function constantsOf(formula: Formula): ReadonlySet<string> {
  const names = new Set<string>()
  visitAtoms(formula, (atom) => {
    for (const term of termsOf(atom)) if (term.kind === 'constant') names.add(term.name)
  })
  return names
}

/** The names of the predicates that occur in the formula. */
export function predicatesOf(formula: Formula): ReadonlySet<string> {
  const names = new Set<string>()
  visitAtoms(formula, (atom) => {
    if (atom.kind === 'atom') names.add(atom.predicate)
  })
  return names
}

type Atomic = Extract<Formula, { kind: 'atom' | 'equals' }>

function termsOf(atom: Atomic): readonly Term[] {
  return atom.kind === 'atom' ? atom.terms : [atom.left, atom.right]
}

function visitAtoms(formula: Formula, visit: (atom: Atomic) => void): void {
  switch (formula.kind) {
    case 'falsum':
      return
    case 'atom':
    case 'equals':
      visit(formula)
      return
    case 'not':
    case 'forall':
    case 'exists':
      visitAtoms(formula.body, visit)
      return
    case 'and':
    case 'or':
    case 'xor':
    case 'implies':
    case 'iff':
      visitAtoms(formula.left, visit)
      visitAtoms(formula.right, visit)
  }
}

/** Rebuilds a formula with other terms; `depth` counts the quantifiers of `formula` around the term. */
function mapTerms(
  store: FormulaStore,
  formula: Formula,
  change: (term: Term, depth: number) => Term,
  depth = 0,
): Formula {
  switch (formula.kind) {
    case 'falsum':
      return formula
    case 'atom':
      return store.atom(
        formula.predicate,
        formula.terms.map((term) => change(term, depth)),
      )
    case 'equals':
      return store.equals(change(formula.left, depth), change(formula.right, depth))
    case 'not':
      return store.not(mapTerms(store, formula.body, change, depth))
    case 'forall':
    case 'exists':
      return store.quantified(
        formula.kind,
        formula.variable,
        mapTerms(store, formula.body, change, depth + 1),
      )
    case 'and':
    case 'or':
    case 'xor':
    case 'implies':
    case 'iff':
      return store.binary(
        formula.kind,
        mapTerms(store, formula.left, change, depth),
        mapTerms(store, formula.right, change, depth),
      )
  }
}
