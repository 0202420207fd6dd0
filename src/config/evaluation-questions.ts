import * as z from 'zod'
import { answersShape } from './rollouts.ts'

/** Evaluation on questions: one answer each, graded; and, if wanted, the coherence of several. */
export const questionEvaluationSchema = z.strictObject({
  temperature: z.number().min(0).default(0).describe('0 is greedy.'),
  top_p: z.number().gt(0).max(1).default(1).describe('Nucleus mass in (0, 1].'),
  ...answersShape,
  coherence_samples: z
    .number()
    .int()
    .nonnegative()
    .default(0)
    .describe('Further samples per question whose coherence Regime W measures; 0: none.'),
  coherence_temperature: z.number().positive().default(0.7).describe('Temperature of those samples.'),
})
export type QuestionEvaluationConfig = z.infer<typeof questionEvaluationSchema>
