import type { Claim, Quote } from '../logic/checker/step.ts'
import type { SentenceParser } from '../logic/language/parser.ts'
import { readLabelClaim } from './label.ts'
import { isDenied, isFiller, markerOf, mayBeMarker } from './markers.ts'

/** What kind of step a Thought belongs to; decides which words announce a claim. */
export type ThoughtKind = 'derivation' | 'assumption' | 'conclusion'

export interface ReadThought {
  readonly claims: readonly Claim[]
  readonly quotes: readonly Quote[]
}

/**
 * What a Thought claims and quotes. A claim is what stands behind a marker ("so", "therefore", "we
 * conclude that"), up to the end of the sentence or the next marker; there may be several. A quote is a
 * sentence with an index behind it: `Max is a yumpus. [1]`. Beside CONCLUDE "the answer is FALSE" is a
 * claim with or without a marker. One pass over the text, linear in its length.
 */
export function readThought(text: string, kind: ThoughtKind, parser: SentenceParser): ReadThought {
  const reader = new ThoughtReader(text, kind, parser)
  reader.run()
  return reader
}

/** Looking back for "cannot" before a marker goes this far at most. */
const CLAUSE_WINDOW = 40

class ThoughtReader implements ReadThought {
  readonly claims: Claim[] = []
  readonly quotes: Quote[] = []
  readonly #text: string
  readonly #kind: ThoughtKind
  readonly #parser: SentenceParser
  #sentenceStart = 0
  /** Where the open claim starts, -1 if there is none. */
  #claimStart = -1
  /** What already spoils the open claim. */
  #claimProblem: string | null = null
  /** The sentence that an index behind it would refer to: its claim, or else all of it. */
  #quoteStart = 0
  #quoteEnd = 0

  constructor(text: string, kind: ThoughtKind, parser: SentenceParser) {
    this.#text = text
    this.#kind = kind
    this.#parser = parser
  }

  run(): void {
    const text = this.#text
    for (let at = 0; at < text.length;) {
      const code = text.charCodeAt(at)
      if (isWordUnit(code)) {
        at = this.#word(at)
      } else if (code === OPEN_BRACKET) {
        at = this.#index(at)
      } else {
        if (endsSentence(text, at, code)) this.#endSentence(at, code === QUESTION_MARK)
        at++
      }
    }
    this.#endSentence(text.length, false)
  }

  #word(start: number): number {
    const text = this.#text
    let end = start + 1
    while (end < text.length && isWordUnit(text.charCodeAt(end))) end++
    if (!mayBeMarker(text.charCodeAt(start), end - start)) return end
    const word = text.slice(start, end)
    const marker = markerOf(word, this.#kind === 'assumption')
    // Before a parenthesis the word is a predicate: So(x).
    if (marker === undefined || text.charCodeAt(end) === OPEN_PARENTHESIS) return end
    const lead = skipLead(text, end)
    if (marker === 'with-that' && !lead.that) return end
    // Two markers of one claim: "Therefore, we can conclude that".
    if (this.#claimStart >= 0 && !isFiller(text.slice(this.#claimStart, start))) this.#readClaim(start)
    const before = text.slice(Math.max(this.#sentenceStart, start - CLAUSE_WINDOW), start)
    this.#claimStart = lead.end
    this.#claimProblem = isDenied(word, before.slice(before.lastIndexOf(',') + 1))
      ? `"${word}" is denied by the words before it`
      : null
    return lead.end
  }

  /** Reads `[8]` behind a sentence; any other bracket is skipped. */
  #index(at: number): number {
    const text = this.#text
    let end = at + 1
    let index = 0
    while (isDigit(text.charCodeAt(end)))
      index = Math.min(index * 10 + text.charCodeAt(end++) - 48, MAX_INDEX)
    if (end === at + 1 || text.charCodeAt(end) !== CLOSE_BRACKET) return at + 1
    if (skipSpace(text, this.#sentenceStart) < at) this.#endSentence(at, false)
    const quoted = withoutConnectives(text.slice(this.#quoteStart, this.#quoteEnd).trim())
    if (quoted !== '') {
      const parsed = this.#parser.parse(quoted)
      this.quotes.push({ text: quoted, index, formula: parsed.ok ? parsed.formula : null })
    }
    this.#quoteStart = this.#quoteEnd
    this.#sentenceStart = end + 1
    return end + 1
  }

  #endSentence(end: number, question: boolean): void {
    if (this.#claimStart >= 0) {
      if (question) this.#claimProblem = 'it is a question'
      this.#quoteStart = this.#claimStart
      this.#readClaim(end)
    } else {
      this.#quoteStart = this.#sentenceStart
      if (this.#kind === 'conclusion') this.#readUnmarkedLabel(end)
    }
    this.#quoteEnd = end
    this.#sentenceStart = end + 1
  }

  #readClaim(end: number): void {
    const text = unquoted(this.#text.slice(this.#claimStart, end))
    this.#claimStart = -1
    this.claims.push(this.#claimProblem === null ? this.#claimOf(text) : unreadable(text, this.#claimProblem))
  }

  #claimOf(text: string): Claim {
    if (text === '') return unreadable(text, 'nothing follows the word that announces it')
    if (this.#kind === 'conclusion') {
      const label = readLabelClaim(text)
      if (label !== null) return label
    }
    const parsed = this.#parser.parse(text)
    if (!parsed.ok) return unreadable(text, `${parsed.message} (character ${parsed.position})`)
    return { kind: 'formula', text, formula: parsed.formula, repairs: parsed.repairs.length }
  }

  #readUnmarkedLabel(end: number): void {
    const label = readLabelClaim(unquoted(this.#text.slice(this.#sentenceStart, end)))
    if (label !== null) this.claims.push(label)
  }
}

function unreadable(text: string, reason: string): Claim {
  return { kind: 'unreadable', text, reason }
}

const NEWLINE = 10
const SPACE = 32
const EXCLAMATION_MARK = 33
const OPEN_PARENTHESIS = 40
const DOT = 46
const SEMICOLON = 59
const QUESTION_MARK = 63
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93

/** Larger numbers behind a sentence are indices of no line either. */
const MAX_INDEX = 1e9

function endsSentence(text: string, at: number, code: number): boolean {
  if (code === DOT) return !isWordUnit(text.charCodeAt(at + 1))
  return code === NEWLINE || code === EXCLAMATION_MARK || code === QUESTION_MARK || code === SEMICOLON
}

/** Letters, digits, underscore, hyphen, apostrophe; outside ASCII all but punctuation and symbols of logic. */
function isWordUnit(code: number): boolean {
  // Written so that NaN, the code behind the end of a text, is none.
  if (!(code >= 128)) return ASCII_WORD[code] === 1
  return code !== 0xa0 && !(code >= 0x2000 && code <= 0x2bff)
}

const ASCII_WORD = new Uint8Array(128)
for (const unit of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-'") {
  ASCII_WORD[unit.charCodeAt(0)] = 1
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

function skipSpace(text: string, at: number): number {
  while (text.charCodeAt(at) <= SPACE) at++
  return at
}

/** What may stand between a marker and its claim: space, comma, colon, and "that". */
function skipLead(text: string, from: number): { end: number; that: boolean } {
  const start = skipPunctuation(text, from)
  const end = start + 4
  const that = text.slice(start, end).toLowerCase() === 'that' && !isWordUnit(text.charCodeAt(end))
  return { end: that ? skipPunctuation(text, end) : start, that }
}

function skipPunctuation(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at)
    if (!(code <= SPACE || code === 44 || code === 58)) return at
    at++
  }
}

const OPENING_QUOTES = '"\'“‘'
const CLOSING_QUOTES = '"\'”’'

/** Without the white space, commas and quotation marks around it. */
function unquoted(text: string): string {
  let content = text.trim()
  while (content.endsWith(',') || content.endsWith(':')) content = content.slice(0, -1).trimEnd()
  const quote = OPENING_QUOTES.indexOf(content.charAt(0))
  if (content.length < 2 || quote < 0 || content.at(-1) !== CLOSING_QUOTES.charAt(quote)) return content
  return content.slice(1, -1).trim()
}

const CONNECTIVES = new Set(['since', 'because', 'as', 'and', 'but', 'given', 'that', 'from', 'by'])

/** "and every yumpus is a wumpus" without "and": how quotes inside one long sentence begin. */
function withoutConnectives(text: string): string {
  let content = text.startsWith(',') ? text.slice(1).trimStart() : text
  for (;;) {
    const space = content.indexOf(' ')
    if (space < 0 || space > 8 || !CONNECTIVES.has(content.slice(0, space).toLowerCase())) return content
    content = content.slice(space + 1).trimStart()
  }
}
