import type { BinaryKind, Formula, FormulaStore, QuantifierKind, Term } from '../formula.ts'
import { cachedParser, failure, type Parsed, type ParseFailure, type SentenceParser } from './parser.ts'
import { MAX_DEPTH } from './reader.ts'
import { splitSymbols, type Symbols } from './symbols.ts'

/** Binding strength; the higher binds tighter. Equal strength is one level, where mixing needs parentheses. */
const LEVELS: readonly (readonly BinaryKind[])[] = [['iff'], ['implies'], ['or', 'xor'], ['and']]

/** A name that can only be meant as a variable ("x", "y2", but not "y1976"): unbound, it is an error, not a constant. */
const VARIABLE_NAME = /^[u-z]\d?$/

/**
 * First-order syntax as FOLIO writes it, Unicode or ASCII:
 *
 *     ∀ forall   ∃ exists   ¬ ~ ! not   ∧ & && and   ∨ | || or   ⊕ xor   → -> => implies   ↔ <-> <=> iff
 *     = ≠ !=   ⊥
 *
 * "¬" and quantifiers bind tightest ("∀x P(x) → Q" is "(∀x P(x)) → Q"; a dot after the variable makes the scope reach
 * to the end: "∀x. P(x) → Q(x)"), then "∧", then "∨" and "⊕" (which may not be mixed without parentheses), "→" (to the
 * right), "↔". A final full stop is allowed. Free variables, unbalanced parentheses and functions are errors.
 */
export function folParser(store: FormulaStore): SentenceParser {
  return cachedParser('fol', (text): Parsed => {
    const symbols = splitSymbols(text)
    return 'ok' in symbols ? symbols : new Grammar(symbols, store).sentence()
  })
}

class Grammar {
  readonly #symbols: Symbols
  readonly #store: FormulaStore
  /** Bound variables, outermost first. */
  readonly #scope: string[] = []
  #at = 0
  #depth = 0
  #failure: ParseFailure | null = null

  constructor(symbols: Symbols, store: FormulaStore) {
    this.#symbols = symbols
    this.#store = store
  }

  sentence(): Parsed {
    if (this.#symbols.kinds.length === 0) return failure('The formula is empty.', 0)
    const formula = this.#binary(0)
    if (formula !== null) {
      if (this.#kind() === '.') this.#at += 1
      if (this.#at < this.#symbols.kinds.length) {
        this.#fail(
          this.#kind() === ')'
            ? 'This parenthesis was never opened.'
            : `"${this.#text()}" was not expected here.`,
        )
      }
    }
    if (formula === null || this.#failure !== null) return this.#failure ?? failure('Not a formula.', 0)
    return { ok: true, formula, repairs: [] }
  }

  #kind(offset = 0): string {
    return this.#symbols.kinds[this.#at + offset] ?? ''
  }

  #text(): string {
    return this.#symbols.texts[this.#at] ?? ''
  }

  #fail(message: string, at: number = this.#at): null {
    this.#failure ??= failure(message, this.#symbols.starts[at] ?? this.#symbols.end)
    return null
  }

  #binary(level: number): Formula | null {
    const kinds = LEVELS[level]
    if (kinds === undefined) return this.#unary()
    const left = this.#binary(level + 1)
    if (left === null) return null
    return level <= 1 ? this.#toTheRight(level, kinds, left) : this.#toTheLeft(level, kinds, left)
  }

  #toTheLeft(level: number, kinds: readonly BinaryKind[], first: Formula): Formula | null {
    let left = first
    let used: BinaryKind | null = null
    for (;;) {
      const kind = kinds.find((each) => each === this.#kind())
      if (kind === undefined) return left
      if (used !== null && used !== kind) return this.#fail('"∨" and "⊕" together need parentheses.')
      used = kind
      this.#at += 1
      const right = this.#binary(level + 1)
      if (right === null) return null
      left = this.#store.binary(kind, left, right)
    }
  }

  #toTheRight(level: number, kinds: readonly BinaryKind[], left: Formula): Formula | null {
    const kind = kinds.find((each) => each === this.#kind())
    if (kind === undefined) return left
    this.#at += 1
    const right = this.#nested(() => this.#binary(level))
    return right === null ? null : this.#store.binary(kind, left, right)
  }

  #nested(read: () => Formula | null): Formula | null {
    if (this.#depth >= MAX_DEPTH) return this.#fail('The formula is nested too deeply.')
    this.#depth += 1
    const formula = read()
    this.#depth -= 1
    return formula
  }

  #unary(): Formula | null {
    const kind = this.#kind()
    if (kind === 'not') {
      this.#at += 1
      const body = this.#nested(() => this.#unary())
      return body === null ? null : this.#store.not(body)
    }
    if (kind === 'forall' || kind === 'exists') return this.#nested(() => this.#quantified(kind))
    if (kind === '(') return this.#nested(() => this.#parenthesised())
    if (kind === 'falsum') {
      this.#at += 1
      return this.#store.falsum()
    }
    return kind === 'name'
      ? this.#atom()
      : this.#fail(
          this.#at < this.#symbols.kinds.length
            ? `Expected a formula, not "${this.#text()}".`
            : 'The formula ends too early.',
        )
  }

  #parenthesised(): Formula | null {
    const open = this.#at
    this.#at += 1
    const formula = this.#binary(0)
    if (formula === null) return null
    if (this.#kind() !== ')') {
      return this.#kind() === '' || this.#kind() === '.'
        ? this.#fail('This parenthesis is never closed.', open)
        : this.#fail(`"${this.#text()}" was not expected here.`)
    }
    this.#at += 1
    return formula
  }

  #quantified(kind: QuantifierKind): Formula | null {
    this.#at += 1
    if (this.#kind() !== 'name') return this.#fail('Expected a variable.')
    const variable = this.#text()
    this.#at += 1
    this.#scope.push(variable)
    const toTheEnd = this.#kind() === '.'
    if (toTheEnd) this.#at += 1
    const body = toTheEnd ? this.#binary(0) : this.#unary()
    this.#scope.pop()
    return body === null ? null : this.#store.quantified(kind, variable, body)
  }

  #atom(): Formula | null {
    if (this.#kind(1) === '=' || this.#kind(1) === '≠') return this.#equality()
    const predicate = this.#text()
    if (this.#kind(1) !== '(') {
      if (this.#scope.includes(predicate) || VARIABLE_NAME.test(predicate)) {
        return this.#fail(`"${predicate}" is a variable, not a formula.`)
      }
      this.#at += 1
      return this.#store.atom(predicate, [])
    }
    this.#at += 2
    const terms: Term[] = []
    for (;;) {
      const term = this.#term()
      if (term === null) return null
      terms.push(term)
      const separator = this.#kind()
      if (separator !== ',' && separator !== ')') return this.#fail('Expected "," or ")".')
      this.#at += 1
      if (separator === ')') return this.#store.atom(predicate, terms)
    }
  }

  #equality(): Formula | null {
    const left = this.#term()
    const differs = this.#kind() === '≠'
    this.#at += 1
    const right = left === null ? null : this.#term()
    if (left === null || right === null) return null
    const equal = this.#store.equals(left, right)
    return differs ? this.#store.not(equal) : equal
  }

  #term(): Term | null {
    if (this.#kind() !== 'name') return this.#fail('Expected a constant or a variable.')
    const name = this.#text()
    const innermost = this.#scope.lastIndexOf(name)
    if (innermost === -1 && VARIABLE_NAME.test(name)) return this.#fail(`The variable "${name}" is free.`)
    this.#at += 1
    if (this.#kind() === '(') return this.#fail('Functions are not supported.')
    return innermost === -1
      ? this.#store.constant(name)
      : this.#store.bound(this.#scope.length - 1 - innermost)
  }
}
