import * as z from 'zod'
import { LABELS, type Label } from '../../logic/truth.ts'

/** Words that published data sets use for the three labels, in any case. */
const LABEL_WORDS = new Map<string, Label>([
  ...LABELS.map((label): [string, Label] => [label.toLowerCase(), label]),
  ['uncertain', 'UNKNOWN'],
])

/** The label that a word or a boolean stands for; undefined if it stands for none. */
export function labelOf(value: string | boolean): Label | undefined {
  return LABEL_WORDS.get(String(value).trim().toLowerCase())
}

/** A label in any of its published spellings. */
export const labelField = z.union([z.string(), z.boolean()]).transform((value, context): Label => {
  const label = labelOf(value)
  if (label !== undefined) return label
  context.addIssue({
    code: 'custom',
    message: `${JSON.stringify(value)} is no label (True, False, Unknown, Uncertain).`,
  })
  return z.NEVER
})

/** A row's own name: text, or a number. */
export const idField = z.union([z.string().min(1), z.number()]).transform(String)

/** Abbreviations, and initials of a name, after which a full stop does not end the sentence. */
const ABBREVIATION = /(?:^|\s)(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|e\.g|i\.e)\.$|(?:^|[A-Z]\w+ )[A-Z]\.$/

/** A paragraph's sentences, each with its full stop. */
export function splitSentences(text: string): string[] {
  const sentences: string[] = []
  let current = ''
  for (const piece of text.trim().split(/(?<=[.!?])\s+|\s*\n\s*/)) {
    current = current === '' ? piece : `${current} ${piece}`
    if (ABBREVIATION.test(current)) continue
    sentences.push(current)
    current = ''
  }
  return [...sentences, current].filter((sentence) => sentence !== '')
}

/** The statement of a question such as "True or false: Max is red." or "... true, false, or unknown? Max is red." */
export function statementOf(question: string): string {
  return question.replace(/^(?:true or false|prove)\s*:|^[^?]*\?/i, '').trim()
}
