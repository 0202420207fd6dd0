import { isCompound } from './expression.ts'
import type { Expression, Leaf } from './expression.ts'
import { parseExpression } from './parse.ts'
import { tokenise } from './tokens.ts'
import type { Token } from './tokens.ts'

/** One side of `a = b = c`. */
export interface Side {
  readonly expression: Expression
  /** Joined to the side before by an "approximately equal". */
  readonly approximate: boolean
  /** Money: in dollars (or another currency with a sign), or in cents. */
  readonly money: 'dollars' | 'cents' | null
}

/** An equation, or a chain of them, as it stands in a solution. */
export interface Statement {
  readonly source: 'annotation' | 'text'
  /** At least two, of which at least one computes something; empty for an annotation that cannot be read. */
  readonly sides: readonly Side[]
  /** The number that the prose repeats behind an annotation: `<<80/26=3.08>>4`. */
  readonly repeated: Leaf | null
  /** The equation in the prose around an annotation: `80 / 26 = <<80/26=3.08>>4`; empty if there is none. */
  readonly prose: readonly Side[]
}

/** Statements read from one solution; those beyond it are returned unread. */
export const MAX_STATEMENTS = 1024

/** Sides of one chain; a longer one comes from degenerate repetition. */
const MAX_SIDES = 64

/** "Step 3 - ", "2) " and bullets, which would otherwise read as numbers and operators. */
const LABEL = /^\s*(?:step\s*\d+\s*[-–:.)]\s*|\d+[.)]\s+|[-–*•]\s+)+/i
/** "Week 1 + Week 2 = 35 + 35": names, not numbers. */
const ENUMERATED = /^(?:step|day|night|week|month|year|part|group|round|number)s?$/
/** "3 * 4 is 2 more than" states no equation. */
const COMPARISON = new Set(['more', 'less', 'fewer', 'times', 'older', 'younger'])

/**
 * Reads the equations of a solution in order: annotations `<<a*b=c>>`, and plain `a * b = c` with units,
 * currency, percentages, fractions, "half of", brackets and chains. Algebra and equations between plain
 * numbers ("1 hour = 60 minutes") are no statements. An annotation and the prose around it are one
 * statement.
 *
 * Linear time. An annotation that cannot be read, and everything beyond {@link MAX_STATEMENTS}, has no sides.
 */
export function readStatements(text: string): Statement[] {
  const statements: Statement[] = []
  for (const line of text.split(/\r?\n/)) {
    for (const statement of lineStatements(line.replace(LABEL, ''))) {
      statements.push(statements.length < MAX_STATEMENTS ? statement : { ...statement, sides: [] })
    }
  }
  return statements
}

function lineStatements(line: string): Statement[] {
  const tokens: Token[] = []
  /** Annotations by the number of plain tokens before them. */
  const annotations: { readonly at: number; readonly text: string }[] = []
  for (const token of tokenise(line)) {
    if (token.kind === 'annotation') annotations.push({ at: tokens.length, text: token.text })
    else tokens.push(token)
  }
  const plain = [...chains(tokens)]
  const statements = annotations.map(({ at, text }) => {
    const around = plain.find(({ start, end }) => start < at && at <= end)
    return { at, statement: annotationStatement(text, tokens, at, around?.sides ?? []) }
  })
  for (const { start, end, sides } of plain) {
    if (annotations.some(({ at }) => start < at && at <= end)) continue
    statements.push({ at: start, statement: { source: 'text', sides, repeated: null, prose: [] } })
  }
  return statements.sort((a, b) => a.at - b.at).map(({ statement }) => statement)
}

function annotationStatement(
  text: string,
  tokens: readonly Token[],
  at: number,
  prose: readonly Side[],
): Statement {
  const inside = tokenise(text)
  const chain = parseChain(inside, 0)
  const complete = chain !== null && chain.end === inside.length && chain.sides.length > 1
  const repeated = repeatedNumber(tokens, tokens[at]?.kind === 'currency' ? at + 1 : at)
  return { source: 'annotation', sides: complete ? chain.sides : [], repeated, prose }
}

function repeatedNumber(tokens: readonly Token[], at: number): Leaf | null {
  const [number, next] = [tokens[at], tokens[at + 1]]
  // <<3/4=3/4>>3/4 repeats an expression, which the prose around the annotation holds if anything does.
  const isFraction = next?.kind === 'operator' && next.operator === '/'
  if (number?.kind !== 'number' || isFraction) return null
  return { kind: 'number', value: number.value, decimals: number.decimals }
}

interface Chain {
  readonly sides: readonly Side[]
  readonly start: number
  /** Index of the first token behind the first side. */
  readonly firstEnd: number
  readonly end: number
}

function* chains(tokens: readonly Token[]): Generator<Chain> {
  for (let at = 0; at < tokens.length;) {
    const chain = startsExpression(tokens, at) ? parseChain(tokens, at) : null
    const used = chain !== null && statesEquation(chain, tokens)
    if (used) yield chain
    // Behind an unusable first side ("4 quarters = 12 / 3 = 4") the others may still state an equation.
    const computes = chain?.sides.some((side) => isCompound(side.expression)) === true
    at = Math.max(at + 1, (used || !computes ? chain?.end : chain.firstEnd) ?? 0)
  }
}

function statesEquation(chain: Chain, tokens: readonly Token[]): boolean {
  const [first, second] = chain.sides
  if (first === undefined || second === undefined) return false
  const hasUnit = tokens[chain.firstEnd - 1]?.kind === 'word'
  // "1/2 a cup = 4 ounces", "1/3 of Solomon = 66/3": a share of something that is no number.
  if (isCompound(first.expression)) {
    return !(hasUnit && chain.firstEnd > chain.start + 3 && isFractionLiteral(tokens, chain.start))
  }
  // "4 quarters = 4 / 4"
  if (hasUnit) return false
  // "1 hour 20 minutes = (60+20) minutes": a number begins an equation only where nothing stands before it.
  const before = tokens[chain.start - 1]
  const alone = before === undefined || before.kind === 'stop' || before.kind === 'equals'
  return alone && chain.sides.some((side) => isCompound(side.expression))
}

/** 3/4, written without spaces: a number rather than a division. */
function isFractionLiteral(tokens: readonly Token[], at: number): boolean {
  const [above, slash, below, next] = tokens.slice(at, at + 4)
  return (
    above?.kind === 'number' &&
    slash?.kind === 'operator' &&
    slash.operator === '/' &&
    slash.glued &&
    slash.tight &&
    below?.kind === 'number' &&
    next?.kind !== 'operator'
  )
}

function startsExpression(tokens: readonly Token[], at: number): boolean {
  const [token, before] = [tokens[at], tokens[at - 1]]
  // What an operator joins to something unreadable ("price * 0.75 = 15") is not read without it.
  if (before?.kind === 'operator' || before?.kind === 'currency') return false
  if (before?.kind === 'word' && ENUMERATED.test(before.text)) return false
  return (
    token?.kind === 'number' ||
    token?.kind === 'open' ||
    token?.kind === 'currency' ||
    (token?.kind === 'operator' && token.operator === '-' && token.tight && !token.glued)
  )
}

function parseChain(tokens: readonly Token[], start: number): Chain | null {
  const first = parseExpression(tokens, start)
  if (first === null) return null
  const sides: Side[] = [
    { expression: first.expression, approximate: false, money: money(tokens, start, first.end) },
  ]
  let end = first.end
  for (let token = tokens[end]; token?.kind === 'equals' && sides.length < MAX_SIDES; token = tokens[end]) {
    const next = parseExpression(tokens, skipWords(tokens, end + 1))
    if (next === null) break
    const after = tokens[next.end]
    const compares = after?.kind === 'word' && COMPARISON.has(after.text)
    const computed = isCompound(first.expression) && !isFractionLiteral(tokens, start)
    if (token.weak && (sides.length > 1 || !computed || compares)) break
    // "= 32 + x": what goes on unreadably is not this side.
    if (after?.kind === 'operator' && (!after.word || after.glued)) break
    sides.push({
      expression: next.expression,
      approximate: token.approximate,
      money: money(tokens, end, next.end),
    })
    end = next.end
  }
  return { sides, start, firstEnd: first.end, end }
}

function money(tokens: readonly Token[], start: number, end: number): Side['money'] {
  const isCents = (token: Token) => token.kind === 'word' && /^cents?$/.test(token.text)
  // Behind the last number of a line the unit is not part of the expression.
  if (tokens.slice(start, end + 1).some(isCents)) return 'cents'
  return tokens.slice(start, end).some((token) => token.kind === 'currency') ? 'dollars' : null
}

/** "= about 24", "= a total of 24": at most three words. */
function skipWords(tokens: readonly Token[], at: number): number {
  for (let words = 0; words <= 3; words++) {
    if (tokens[at + words]?.kind !== 'word') return at + words
  }
  return at
}
