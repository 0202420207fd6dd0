import { ElenchusError } from '../errors.ts'
import { DEFAULT_MARKER, extractAnswer } from './extract.ts'
import type { ExtractionOptions } from './extract.ts'
import { parseNumber } from './number.ts'
import { equal, format } from './rational.ts'
import type { Rational } from './rational.ts'

/** Verdict on one output. Not answering is not the same as answering wrongly, and neither is correct. */
export interface Grade {
  readonly correct: boolean
  /** Canonical number (`18`, `55.5`), the raw text where it is no number, null where there is no answer. */
  readonly prediction: string | null
  readonly gold: string
  readonly answered: boolean
}

export interface GradeTotals {
  readonly rows: number
  readonly correct: number
  readonly unanswered: number
}

/**
 * Value of a gold answer: a number alone (`1,875`, `-7`), or a worked solution that ends with the marker
 * (`options.marker`, else `####`) and a number.
 * @throws ElenchusError `record_invalid` if it is neither.
 */
export function readGold(gold: string | number, options: ExtractionOptions = {}): Rational {
  const text = String(gold)
  const value =
    parseNumber(text) ??
    extractAnswer(text, { marker: options.marker ?? DEFAULT_MARKER })?.value ??
    extractAnswer(text)?.value
  if (value === undefined || value === null) {
    throw new ElenchusError(
      'record_invalid',
      `The gold answer is no number and does not end with a marked one: ${JSON.stringify(text.slice(-80))}`,
    )
  }
  return value
}

/**
 * Grades one output against its gold answer, as exact numbers (55.50 is 55.5; `$ , %` do not matter).
 * @throws ElenchusError `record_invalid` if the gold answer cannot be read.
 */
export function gradeOutput(output: string, gold: string | number, options: ExtractionOptions = {}): Grade {
  const expected = readGold(gold, options)
  const answer = extractAnswer(output, options)
  return {
    correct: answer !== null && answer.value !== null && equal(answer.value, expected),
    prediction: answer?.text ?? null,
    gold: format(expected),
    answered: answer !== null,
  }
}

export function totalGrades(grades: Iterable<Grade>): GradeTotals {
  let [rows, correct, unanswered] = [0, 0, 0]
  for (const grade of grades) {
    rows++
    if (grade.correct) correct++
    if (!grade.answered) unanswered++
  }
  return { rows, correct, unanswered }
}
