import { FormulaTooLarge, type Formula } from '../formula.ts'

/** Longest sentence that a parser reads, in UTF-16 units; keeps hostile text from costing more than linear time. */
export const MAX_SENTENCE_LENGTH = 16_384

/** Sentences remembered by one parser; beyond it the memory starts afresh. */
const CACHE_LIMIT = 16_384

export type Language = 'prontoqa' | 'proofwriter' | 'fol'

/** A repair that a parser made; every one is counted by the judge. `article`: "Sally is numpus". */
export type Repair = 'article'

export type Parsed =
  | { readonly ok: true; readonly formula: Formula; readonly repairs: readonly Repair[] }
  /** `position` is a UTF-16 offset into the text: the first unit of what could not be read. */
  | { readonly ok: false; readonly message: string; readonly position: number }

export type ParseFailure = Extract<Parsed, { ok: false }>

/** Reads closed sentences into formulas of one store. The same text always gives the same answer. */
export interface SentenceParser {
  readonly language: Language
  parse(text: string): Parsed
}

export function failure(message: string, position: number): ParseFailure {
  return { ok: false, message, position }
}

/** A parser that reads each distinct sentence once. */
export function cachedParser(language: Language, read: (text: string) => Parsed): SentenceParser {
  const known = new Map<string, Parsed>()
  return {
    language,
    parse(text) {
      let parsed = known.get(text)
      if (parsed !== undefined) return parsed
      parsed = guarded(read, text)
      if (known.size >= CACHE_LIMIT) known.clear()
      known.set(text, parsed)
      return parsed
    },
  }
}

const QUESTION = /^\s*(?:true or false|prove):\s*/i

/** Reads what follows "True or false:" or "Prove:", with positions in the whole text. */
export function withoutQuestion(text: string, read: (text: string) => Parsed): Parsed {
  const prefix = QUESTION.exec(text)?.[0].length ?? 0
  if (prefix === 0) return read(text)
  const parsed = read(text.slice(prefix))
  return parsed.ok ? parsed : failure(parsed.message, parsed.position + prefix)
}

function guarded(read: (text: string) => Parsed, text: string): Parsed {
  if (text.length > MAX_SENTENCE_LENGTH) {
    return failure(`The sentence is longer than ${MAX_SENTENCE_LENGTH} characters.`, MAX_SENTENCE_LENGTH)
  }
  try {
    return read(text)
  } catch (error) {
    if (error instanceof FormulaTooLarge) return failure(error.message, 0)
    throw error
  }
}
