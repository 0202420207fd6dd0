import * as z from 'zod'

/** How completions are sampled; shared by the trace, rollout and evaluation stages. */
export const samplingSchema = z.strictObject({
  temperature: z.number().min(0).describe('0 is greedy.'),
  top_p: z.number().gt(0).max(1).default(1).describe('Nucleus mass in (0, 1].'),
  max_new_tokens: z
    .number()
    .int()
    .positive()
    .default(1024)
    .describe('Token limit of a completion; a safety net beside max_steps.'),
  max_steps: z.number().int().positive().describe('Number of Action: lines after which generation ends.'),
  max_thought_tokens: z
    .number()
    .int()
    .positive()
    .describe('Token limit of one Thought (and of one Action); exceeded: finish reason segment_length.'),
})
export type SamplingConfig = z.infer<typeof samplingSchema>
