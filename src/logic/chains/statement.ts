import type { Formula } from '../formula.ts'
import type { SentenceParser } from '../language/parser.ts'

/** What one step of a chain says. */
export type Statement =
  | { readonly kind: 'claim'; readonly formula: Formula }
  | { readonly kind: 'assumption'; readonly formula: Formula }
  /** "This contradicts with P": with what stands, P gives a contradiction. */
  | { readonly kind: 'contradiction'; readonly with: Formula }
  | { readonly kind: 'unparseable'; readonly message: string }

/** A step of a chain, and the words that it is read from. */
export interface ReadStep {
  readonly text: string
  readonly statement: Statement
}

const CONNECTIVES = /^(?:(?:therefore|thus|hence|so|then|however|also|finally|next|first),?\s+)+/i
const ASSUMPTION = /^(?:(?:let us|let's)\s+)?(?:assume|suppose)\s+(?:that\s+)?/i
const CONTRADICTION = /^(?:this|that|which)\s+contradicts\s+(?:with\s+)?/i
const REASON = /^(?:since|because|as)\s+/i

/** Commas of "Since A, B" at which the two are tried; a list has commas as well. */
const MAX_COMMAS = 8

/**
 * Reads one sentence of a chain: one step, or two for "Since A, B", as in the official judge. What cannot be read is a step
 * all the same, so that it has an index and is never passed over.
 */
export function readSentence(sentence: string, parser: SentenceParser): readonly ReadStep[] {
  const text = sentence.replace(CONNECTIVES, '')
  if (REASON.test(text)) return readReason(sentence, text.replace(REASON, ''), parser)
  if (CONTRADICTION.test(text)) {
    const parsed = parser.parse(text.replace(CONTRADICTION, ''))
    if (parsed.ok) return [{ text: sentence, statement: { kind: 'contradiction', with: parsed.formula } }]
  }
  const isAssumption = ASSUMPTION.test(text)
  const parsed = parser.parse(text.replace(ASSUMPTION, ''))
  const statement: Statement = parsed.ok
    ? { kind: isAssumption ? 'assumption' : 'claim', formula: parsed.formula }
    : { kind: 'unparseable', message: parsed.message }
  return [{ text: sentence, statement }]
}

/** "A, B", split at the first comma with a sentence on both sides. */
function readReason(sentence: string, text: string, parser: SentenceParser): readonly ReadStep[] {
  let comma = text.indexOf(',')
  for (let tried = 0; comma !== -1 && tried < MAX_COMMAS; tried++) {
    const [reason, claim] = [text.slice(0, comma).trim(), text.slice(comma + 1).trim()]
    const [left, right] = [parser.parse(reason), parser.parse(claim)]
    if (left.ok && right.ok) {
      return [
        { text: reason, statement: { kind: 'claim', formula: left.formula } },
        { text: claim, statement: { kind: 'claim', formula: right.formula } },
      ]
    }
    comma = text.indexOf(',', comma + 1)
  }
  const message = 'Expected a reason, a comma and a sentence.'
  return [{ text: sentence, statement: { kind: 'unparseable', message } }]
}
