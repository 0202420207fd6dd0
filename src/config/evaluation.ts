import * as z from 'zod'
import { samplingSchema } from './sampling.ts'

export const evaluationSchema = z.strictObject({
  samples_per_problem: z
    .number()
    .int()
    .positive()
    .default(1)
    .describe('Samples; more than 1 adds self-consistency (majority vote).'),
  ...samplingSchema.shape,
  temperature: samplingSchema.shape.temperature.default(0),
})
export type EvaluationConfig = z.infer<typeof evaluationSchema>
