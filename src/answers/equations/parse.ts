import { isCompound, MAX_OPERATIONS } from './expression.ts'
import type { Expression, Operator } from './expression.ts'
import type { Token } from './tokens.ts'

/** Unit words that may follow a number ("40 cups of feed per chicken * 20"). */
const MAX_UNIT_WORDS = 5
/** Words between an operator and its number ("6 + another 3"). */
const MAX_LEAD_WORDS = 2
/** Of those, the ones that may follow an operator in words ("half of the remaining 40"). */
const DETERMINERS = new Set(
  'the a an his her their its all that those remaining original total number'.split(' '),
)
const MAX_NESTING = 32

/** Words that begin another clause: what stands before them is no unit of what follows. */
const CLAUSE = new Set(
  'so and then thus therefore hence if but because since which that was were has have had he she they it we there total'.split(
    ' ',
  ),
)
/** Letters that stand for unknowns rather than units (metres, grams): algebra is not read. */
const UNKNOWN = /^[A-Zb-fh-ln-z]$/

export interface Parsed {
  readonly expression: Expression
  /** Index of the first token behind the expression (and behind its unit words). */
  readonly end: number
}

/**
 * Parses the expression that starts at a token, as far as it goes. Numbers may carry units and currency.
 * @returns null if none starts there, it is algebra, or it is too long or too deeply nested.
 */
export function parseExpression(tokens: readonly Token[], start: number): Parsed | null {
  const parser = new Parser(tokens, start)
  const expression = parser.sum(0)
  return expression === null || parser.refused ? null : { expression, end: parser.position }
}

class Parser {
  readonly tokens: readonly Token[]
  position: number
  refused = false
  #operations = 0
  #lastOperatorSpoken = false

  constructor(tokens: readonly Token[], start: number) {
    this.tokens = tokens
    this.position = start
  }

  sum(nesting: number): Expression | null {
    return this.#binary(nesting, ['+', '-'], (depth) => this.#product(depth))
  }

  #product(nesting: number): Expression | null {
    return this.#binary(nesting, ['*', '/'], (depth) => this.#power(depth))
  }

  /**
   * Left-associative operators of one level. An operator without an operand behind it ends the expression.
   */
  #binary(
    nesting: number,
    operators: readonly Operator[],
    operand: (nesting: number) => Expression | null,
  ): Expression | null {
    let left = operand(nesting)
    while (left !== null && !this.refused) {
      const before = this.position
      const operator = this.#operator(operators, left)
      if (operator === null) return left
      const spoken = this.#lastOperatorSpoken
      this.#skipLeadWords(spoken)
      const right = spoken && this.#signFollows() ? null : operand(nesting)
      if (right === null) {
        this.position = before
        return left
      }
      if (++this.#operations > MAX_OPERATIONS) this.refused = true
      left = { kind: 'operation', operator, left, right }
    }
    return left
  }

  #operator(operators: readonly Operator[], left: Expression): Operator | null {
    const token = this.tokens[this.position]
    if (token?.kind === 'operator' && operators.includes(token.operator)) {
      this.position++
      this.#lastOperatorSpoken = token.word
      const next = this.tokens[this.position]
      // "multiplied by", "divided by"
      if (token.word && next?.kind === 'word' && next.text === 'by') this.position++
      return token.operator
    }
    if (!operators.includes('*')) return null
    this.#lastOperatorSpoken = false
    // 2(3+4), (3)(4), 1/2 (68)
    if (token?.kind === 'open' && (token.glued || this.#bracketedNumberFollows())) return '*'
    // 20% of 50, 1/4 of 12; "3 cups of flour" is a unit
    if (token?.kind === 'word' && token.text === 'of' && isShare(left) && this.#numberFollows()) {
      this.position++
      return '*'
    }
    return null
  }

  #numberFollows(): boolean {
    for (let ahead = 1; ahead <= MAX_LEAD_WORDS + 1; ahead++) {
      const token = this.tokens[this.position + ahead]
      if (token?.kind === 'number' || token?.kind === 'currency' || token?.kind === 'open') return true
      if (token?.kind !== 'word') return false
    }
    return false
  }

  #bracketedNumberFollows(): boolean {
    const number = this.tokens[this.position + 1]?.kind === 'currency' ? 2 : 1
    const [inner, close] = this.tokens.slice(this.position + number, this.position + number + 2)
    return inner?.kind === 'number' && close?.kind === 'close'
  }

  #power(nesting: number): Expression | null {
    const base = this.#operand(nesting)
    const token = this.tokens[this.position]
    if (base === null || token?.kind !== 'operator' || token.operator !== '^') return base
    this.position++
    const exponent = nesting < MAX_NESTING ? this.#power(nesting + 1) : null
    if (exponent === null) {
      this.refused = true
      return null
    }
    this.#operations++
    return { kind: 'operation', operator: '^', left: base, right: exponent }
  }

  #operand(nesting: number): Expression | null {
    this.#skip('currency')
    const token = this.tokens[this.position]
    // A sign belongs to its number when nothing stands between; "- 5" is a dash and a 5.
    if (token?.kind === 'operator' && isSign(token.operator) && token.tight && nesting < MAX_NESTING) {
      this.position++
      const body = this.#operand(nesting + 1)
      return body === null || token.operator === '+' ? body : { kind: 'negation', body }
    }
    const atom = this.#atom(token, nesting)
    if (atom === null) return null
    this.#skip('currency')
    const percent = this.tokens[this.position]?.kind === 'percent'
    if (percent) this.position++
    this.#skipUnits()
    return percent ? { kind: 'percent', body: atom } : atom
  }

  #atom(token: Token | undefined, nesting: number): Expression | null {
    if (token?.kind === 'number') {
      this.position++
      return { kind: 'number', value: token.value, decimals: token.decimals }
    }
    if (token?.kind !== 'open' || nesting >= MAX_NESTING) return null
    this.position++
    const inner = this.sum(nesting + 1)
    if (inner === null || this.tokens[this.position]?.kind !== 'close') return null
    this.position++
    return inner
  }

  /** Unit words are passed over only when an operator, an equals sign or a bracket's end follows them. */
  #skipUnits(): void {
    for (let words = 0; words <= MAX_UNIT_WORDS; words++) {
      const token = this.tokens[this.position + words]
      if (token?.kind !== 'word') {
        const goesOn = token?.kind === 'operator' || token?.kind === 'equals' || token?.kind === 'close'
        if (!goesOn || words === 0) return
        const last = this.tokens[this.position + words - 1]
        if (last?.kind === 'word' && (UNKNOWN.test(last.text) || (last.text === 'a' && last.glued))) {
          this.refused = true
        }
        this.position += words
        return
      }
      if (CLAUSE.has(token.text)) return
    }
  }

  /** "11x + 15": the x is an unknown, not a times. */
  #signFollows(): boolean {
    const token = this.tokens[this.position]
    return token?.kind === 'operator' && isSign(token.operator)
  }

  #skipLeadWords(spoken: boolean): void {
    for (let words = 0; words <= MAX_LEAD_WORDS; words++) {
      const token = this.tokens[this.position + words]
      if (token?.kind === 'word') {
        if (CLAUSE.has(token.text) || (spoken && !DETERMINERS.has(token.text))) return
        continue
      }
      const operand = token?.kind === 'number' || token?.kind === 'currency' || token?.kind === 'open'
      if (operand) this.position += words
      return
    }
  }

  #skip(kind: 'currency'): void {
    if (this.tokens[this.position]?.kind === kind) this.position++
  }
}

function isSign(operator: Operator): boolean {
  return operator === '-' || operator === '+'
}

/** A percentage or a fraction: 20% of, 3/4 of. */
function isShare(expression: Expression): boolean {
  if (expression.kind === 'percent') return true
  if (expression.kind !== 'operation') return false
  return expression.operator === '/' && !isCompound(expression.left) && !isCompound(expression.right)
}
