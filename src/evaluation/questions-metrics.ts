import * as z from 'zod'
import { ElenchusError } from '../errors.ts'
import { type Estimate, wilson } from './statistics.ts'

/** One evaluated question; every field must be there. */
export const questionRowSchema = z.object({
  index: z.number().int().nonnegative(),
  question_id: z.string().min(1),
  question: z.string(),
  /** Canonical numbers; null: no answer, which is not a wrong one. */
  gold: z.string(),
  prediction: z.string().nullable(),
  correct: z.boolean(),
  output: z.string(),
  finish_reason: z.string(),
  num_tokens: z.number().int().nonnegative(),
  prompt: z.string(),
  seed: z.number().int().nonnegative(),
  policy: z.string(),
})
export type QuestionRow = z.infer<typeof questionRowSchema>

export interface QuestionMetrics {
  readonly questions: number
  readonly accuracy: Estimate
  /** Outputs without a marked answer. */
  readonly unanswered: Estimate
  /** Outputs cut off at the token limit. */
  readonly truncated: Estimate
  readonly mean_tokens: number
  readonly finish_reasons: Readonly<Record<string, number>>
}

/** @throws ElenchusError `record_invalid` without rows: no data is not the accuracy 0. */
export function questionMetrics(rows: readonly QuestionRow[]): QuestionMetrics {
  const n = rows.length
  if (n === 0) throw new ElenchusError('record_invalid', 'There are no evaluated questions.')
  const share = (test: (row: QuestionRow) => boolean): Estimate => wilson(rows.filter(test).length, n)
  const finishReasons: Record<string, number> = {}
  for (const { finish_reason: reason } of rows) finishReasons[reason] = (finishReasons[reason] ?? 0) + 1
  return {
    questions: n,
    accuracy: share(({ correct }) => correct),
    unanswered: share(({ prediction }) => prediction === null),
    truncated: share(({ finish_reason }) => finish_reason === 'length'),
    mean_tokens: rows.reduce((sum, { num_tokens }) => sum + num_tokens, 0) / n,
    finish_reasons: finishReasons,
  }
}
