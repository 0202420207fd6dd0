import * as z from 'zod'
import { samplingSchema } from './sampling.ts'

export const tracesSchema = z.strictObject({
  samples_per_problem: z.number().int().positive().default(2).describe('Samples; they differ by seed.'),
  ...samplingSchema.shape,
})
export type TracesConfig = z.infer<typeof tracesSchema>
