import type { Formula, Term } from '../logic/formula.ts'

/**
 * Assertions in SMT-LIB 2.6, over one uninterpreted sort (never empty, as in first-order logic).
 * Names are numbered, so no name of the data can be misread as syntax; predicates of different arity are different.
 */
export function satisfiabilityScript(sentences: readonly Formula[]): string {
  const symbols = new Symbols()
  const assertions = sentences.map((sentence) => `(assert ${symbols.formula(sentence, 0)})`)
  return ['(declare-sort U 0)', ...symbols.declarations, ...assertions].join('\n')
}

const OPERATORS = { and: 'and', or: 'or', xor: 'xor', implies: '=>', iff: '=' } as const

class Symbols {
  readonly declarations: string[] = []
  readonly #predicates = new Map<string, string>()
  readonly #constants = new Map<string, string>()

  /** `depth` quantifiers enclose the formula; the variable of the k-th, from outside, is `x<k>`. */
  formula(formula: Formula, depth: number): string {
    if (formula.kind === 'falsum') return 'false'
    if (formula.kind === 'atom') {
      const predicate = this.#predicate(formula.predicate, formula.terms.length)
      if (formula.terms.length === 0) return predicate
      return `(${predicate} ${formula.terms.map((term) => this.#term(term, depth)).join(' ')})`
    }
    if (formula.kind === 'equals') {
      return `(= ${this.#term(formula.left, depth)} ${this.#term(formula.right, depth)})`
    }
    if (formula.kind === 'not') return `(not ${this.formula(formula.body, depth)})`
    if ('left' in formula) {
      return `(${OPERATORS[formula.kind]} ${this.formula(formula.left, depth)} ${this.formula(formula.right, depth)})`
    }
    return `(${formula.kind} ((x${depth} U)) ${this.formula(formula.body, depth + 1)})`
  }

  #term(term: Term, depth: number): string {
    if (term.kind === 'bound') return `x${depth - 1 - term.index}`
    let symbol = this.#constants.get(term.name)
    if (symbol === undefined) {
      symbol = `c${this.#constants.size}`
      this.#constants.set(term.name, symbol)
      this.declarations.push(`(declare-const ${symbol} U)`)
    }
    return symbol
  }

  #predicate(name: string, arity: number): string {
    const key = `${arity} ${name}`
    let symbol = this.#predicates.get(key)
    if (symbol === undefined) {
      symbol = `p${this.#predicates.size}`
      this.#predicates.set(key, symbol)
      this.declarations.push(`(declare-fun ${symbol} (${Array<string>(arity).fill('U').join(' ')}) Bool)`)
    }
    return symbol
  }
}
