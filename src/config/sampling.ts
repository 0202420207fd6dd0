import * as z from 'zod'

/** How completions are sampled; shared by the trace, rollout and evaluation stages. */
export const samplingSchema = z.strictObject({
  /** 0 is greedy. */
  temperature: z.number().min(0),
  /** Nucleus mass in (0, 1]. */
  top_p: z.number().gt(0).max(1).default(1),
  /** Token limit of a completion; a safety net beside `max_steps`. */
  max_new_tokens: z.number().int().positive().default(1024),
  /** Number of `Action:` lines after which generation ends. */
  max_steps: z.number().int().positive(),
  /** Token limit of one Thought (and of one Action); exceeded: finish reason `segment_length`. */
  max_thought_tokens: z.number().int().positive(),
})
export type SamplingConfig = z.infer<typeof samplingSchema>
