import { FormulaStore, type Formula } from '../formula.ts'
import { folParser } from './fol.ts'
import type { SentenceParser } from './parser.ts'
import { prontoqaParser } from './prontoqa.ts'
import { proofwriterParser } from './proofwriter.ts'

/** The parts of a problem that carry its logic. */
export interface TheoryText {
  readonly premises: readonly string[]
  readonly conclusion: string
  readonly premises_fol?: readonly string[] | undefined
  readonly conclusion_fol?: string | undefined
}

/** Why one sentence could not be read; `index` counts premises from 0. */
export interface Unread {
  readonly index: number | 'conclusion'
  readonly message: string
  /** UTF-16 offset into that sentence. */
  readonly position: number
}

export type Theory =
  | {
      readonly ok: true
      readonly store: FormulaStore
      readonly premises: readonly Formula[]
      readonly query: Formula
      readonly parser: SentenceParser
    }
  | { readonly ok: false; readonly reasons: readonly Unread[] }

export type ReadTheory = Extract<Theory, { ok: true }>

/**
 * Reads all sentences of a problem in one language: first-order formulas where the problem has them, otherwise
 * the first English grammar that reads every sentence. Half-understood problems do not exist: one sentence that cannot
 * be read makes the whole problem unverifiable, with the reasons of the grammar that read most.
 */
export function parseTheory(input: TheoryText): Theory {
  if (input.premises_fol !== undefined || input.conclusion_fol !== undefined) return parseFormulas(input)
  const sentences = [...input.premises, input.conclusion]
  const grammars = [prontoqaParser, proofwriterParser] as const
  let fewest: Theory | null = null
  for (const grammar of grammars) {
    const store = new FormulaStore()
    const theory = readAll(store, grammar(store, sentences), input.premises, input.conclusion)
    if (theory.ok) return theory
    if (fewest === null || fewest.ok || theory.reasons.length < fewest.reasons.length) fewest = theory
  }
  return fewest ?? { ok: false, reasons: [] }
}

function parseFormulas(input: TheoryText): Theory {
  const { premises_fol: premises, conclusion_fol: conclusion } = input
  if (premises === undefined || conclusion === undefined) {
    const message =
      conclusion === undefined ? 'The conclusion has no formula.' : 'The premises have no formulas.'
    return {
      ok: false,
      reasons: [{ index: conclusion === undefined ? 'conclusion' : 0, message, position: 0 }],
    }
  }
  if (premises.length !== input.premises.length) {
    const message = `${input.premises.length} premises have ${premises.length} formulas.`
    const index = Math.min(premises.length, input.premises.length)
    return { ok: false, reasons: [{ index, message, position: 0 }] }
  }
  const store = new FormulaStore()
  return readAll(store, folParser(store), premises, conclusion)
}

function readAll(
  store: FormulaStore,
  parser: SentenceParser,
  premises: readonly string[],
  conclusion: string,
): Theory {
  const reasons: Unread[] = []
  const read = (text: string, index: Unread['index']): Formula => {
    const parsed = parser.parse(text)
    if (parsed.ok) return parsed.formula
    reasons.push({ index, message: parsed.message, position: parsed.position })
    return store.falsum()
  }
  const formulas = premises.map(read)
  const query = read(conclusion, 'conclusion')
  return reasons.length > 0 ? { ok: false, reasons } : { ok: true, store, premises: formulas, query, parser }
}
