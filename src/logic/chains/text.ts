import type { Label } from '../truth.ts'

/** A chain of thought, taken apart. */
export interface ChainText {
  /** Without their final full stop. */
  readonly sentences: readonly string[]
  /** The answer that the text ends with; null where it gives none. */
  readonly label: Label | null
}

/** Words that give an answer (the first two lists as in the official judge). */
const ANSWERS: ReadonlyMap<string, Label> = new Map<string, Label>([
  ...['true', 't', 'yes', 'y', 'correct', 'right'].map((word) => [word, 'TRUE'] as const),
  ...['false', 'f', 'no', 'n', 'incorrect', 'wrong'].map((word) => [word, 'FALSE'] as const),
  ...['unknown', 'uncertain'].map((word) => [word, 'UNKNOWN'] as const),
])

const BEFORE_ANSWER =
  /^(?:(?:so|therefore|thus|hence),? )?(?:the )?(?:final )?(?:answer|label|query|statement|conclusion|it|this)(?: is)?:? /

/**
 * Splits a completion into sentences and its answer. Sentences end with `.`, `;`, `!`, `?` or a line break. Only the end of
 * the text can be the answer; the same word anywhere else is a sentence that nobody can read. A model that goes on to the
 * next question ("Q:") has ended there.
 */
export function readChainText(text: string): ChainText {
  const sentences = splitSentences(ownPart(text))
  const last = sentences.at(-1)
  const label = last === undefined ? null : readAnswer(last)
  return { sentences: label === null ? sentences : sentences.slice(0, -1), label }
}

function splitSentences(text: string): string[] {
  return text
    .split(/[.;!?\n\r]/)
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== '')
}

function ownPart(text: string): string {
  const next = /(?:^|\s)Q:/.exec(text)
  return next === null ? text : text.slice(0, next.index)
}

function readAnswer(sentence: string): Label | null {
  return ANSWERS.get(sentence.toLowerCase().replace(BEFORE_ANSWER, '')) ?? null
}
