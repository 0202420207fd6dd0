import * as z from 'zod'
import { readGold } from '../../answers/grade.ts'
import { format } from '../../answers/rational.ts'
import { ElenchusError } from '../../errors.ts'
import { parseDocument } from '../readers/document.ts'
import type { ReadIssue } from '../readers/document.ts'
import { arithmeticStepSchema } from './question.ts'
import type { ArithmeticQuestion } from './question.ts'

/** A row of GSM8K, of Platinum, or of our own generator. Unknown fields are kept. */
const rowSchema = z.looseObject({
  question: z.string().min(1),
  answer: z.string().min(1),
  question_id: z.string().min(1).optional(),
  steps: z.array(arithmeticStepSchema).min(1).optional(),
})

export interface QuestionFile {
  readonly questions: ArithmeticQuestion[]
  /** Rows that are no question, and why; the others are read. */
  readonly issues: readonly ReadIssue[]
}

/**
 * Reads `{question, answer}` rows (JSON or JSON lines) whose answers end with `#### N`: GSM8K, GSM8K
 * Platinum and our own files.
 * @param name the start of `question_id` (`<name>-<row from 0>`) where a row has none.
 * @param called what messages call the file: its path. @default `name`
 * @throws ElenchusError `record_invalid` if the text is no JSON at all.
 */
export function readQuestions(text: string, name: string, called: string = name): QuestionFile {
  const { entries, issues: broken } = parseDocument(text, called)
  const issues = [...broken]
  const questions: ArithmeticQuestion[] = []
  for (const [index, { position, value }] of entries.entries()) {
    const row = rowSchema.safeParse(value)
    if (!row.success) {
      const [issue] = row.error.issues
      issues.push({
        position,
        message: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a question'}`,
      })
      continue
    }
    try {
      questions.push({
        ...row.data,
        question_id: row.data.question_id ?? `${name}-${index}`,
        gold_answer: format(readGold(row.data.answer)),
      })
    } catch (error) {
      if (!ElenchusError.is(error)) throw error
      issues.push({ position, message: error.message })
    }
  }
  return { questions, issues }
}

/**
 * The whole difference between the test questions of GSM8K and GSM8K Platinum. Unknown fields are ignored.
 */
export const platinumOverlaySchema = z.object({
  gsm8k_test_count: z.number().int(),
  kept_count: z.number().int(),
  /** Rows of GSM8K's test file, from 0. */
  removed_gsm8k_test_indices: z.array(z.number().int().nonnegative()),
  /** New solutions by row. */
  revised: z.record(z.string(), z.object({ platinum_final: z.string(), platinum_answer: z.string() })),
})
export type PlatinumOverlay = z.infer<typeof platinumOverlaySchema>

/**
 * GSM8K Platinum from GSM8K's test questions (all of them, in order) and the overlay.
 * @throws ElenchusError `record_invalid` if the overlay does not fit the questions.
 */
export function platinumQuestions(
  test: readonly ArithmeticQuestion[],
  overlay: PlatinumOverlay,
): ArithmeticQuestion[] {
  const removed = new Set(overlay.removed_gsm8k_test_indices)
  const questions: ArithmeticQuestion[] = []
  for (const [index, question] of test.entries()) {
    if (removed.has(index)) continue
    const revision = overlay.revised[String(index)]
    const answer = revision?.platinum_answer ?? question.answer
    const gold = format(readGold(revision?.platinum_final ?? question.gold_answer))
    if (format(readGold(answer)) !== gold) {
      throw new ElenchusError(
        'record_invalid',
        `The overlay's solution of row ${index} does not end with its answer.`,
      )
    }
    questions.push({
      ...question,
      question_id: `gsm8k-platinum-${questions.length}`,
      answer,
      gold_answer: gold,
      gsm8k_test_index: index,
      revised: revision !== undefined,
    })
  }
  if (test.length !== overlay.gsm8k_test_count || questions.length !== overlay.kept_count) {
    throw new ElenchusError(
      'record_invalid',
      `The overlay keeps ${overlay.kept_count} of ${overlay.gsm8k_test_count} questions; these are ${questions.length} of ${test.length}.`,
    )
  }
  return questions
}
