import type { Claim } from '../logic/checker/step.ts'
import type { Label } from '../logic/truth.ts'

const WORDS: ReadonlyMap<string, Label> = new Map([
  ['true', 'TRUE'],
  ['false', 'FALSE'],
  ['unknown', 'UNKNOWN'],
  ['uncertain', 'UNKNOWN'],
])

/** What a label can be said of. */
const SUBJECT =
  /^(?:therefore,? )?(?:(?:the )?(?:final |correct )?(?:answer|query|conclusion|statement|claim|hypothesis|label)|it|this) is(?: (not))?:? (\w+)$/

/** Longer sentences say more than a label. */
const LONGEST = 64

/** Reads "the answer is FALSE", "the query is true", "it is uncertain" or a bare label; null for anything else. */
export function readLabelClaim(text: string): Claim | null {
  // Most sentences are told apart by their last letter.
  if (text.length > LONGEST || !/[en]$/i.test(text)) return null
  const sentence = text.toLowerCase()
  const bare = WORDS.get(sentence)
  if (bare !== undefined) return { kind: 'label', text, label: bare }
  const said = SUBJECT.exec(sentence)
  const label = WORDS.get(said?.[2] ?? '')
  if (said === null || label === undefined) return null
  if (said[1] !== undefined) return { kind: 'unreadable', text, reason: 'it names the label it denies' }
  return { kind: 'label', text, label }
}
