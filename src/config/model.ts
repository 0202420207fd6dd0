import * as z from 'zod'
import { sftSchema } from './training.ts'

/** A copy drill on random tokens: the circuit that every proof step needs, before any text is seen. */
const drillSchema = z
  .strictObject({
    steps: z.number().int().positive(),
    batch_size: z.number().int().positive(),
    learning_rate: z.number().positive(),
    warmup_ratio: z.number().min(0).lt(1).default(0.05),
    records: z.number().int().min(2).describe('Records at the start of a row.'),
    middle_pool: z
      .number()
      .int()
      .positive()
      .describe('Distinct middle tokens of a row, shared by its records.'),
    middle_length: z
      .tuple([z.number().int().positive(), z.number().int().positive()])
      .describe('Fewest and most middle tokens of a record.'),
    replays: z.number().int().positive().describe('Copies of records that follow.'),
  })
  .refine((drill) => drill.middle_length[0] <= drill.middle_length[1], {
    error: 'the fewest must not exceed the most',
    path: ['middle_length'],
  })
export type DrillConfig = z.infer<typeof drillSchema>

/** A small Llama made on the spot: architecture, tokenizer and pre-training of the embedded default. */
export const tinyModelSchema = z.strictObject({
  architecture: z.strictObject({
    hidden_size: z.number().int().positive(),
    num_layers: z.number().int().positive(),
    num_heads: z.number().int().positive(),
    /** Absent: hidden_size / num_heads. */
    head_dim: z.number().int().positive().optional(),
    intermediate_size: z.number().int().positive(),
    max_positions: z.number().int().positive(),
    rope_theta: z.number().positive(),
    tie_embeddings: z.boolean().default(true),
    attention_bias: z.boolean().default(false),
    initializer_range: z.number().positive().default(0.02),
    /** Factor on the initial weights that write into the residual stream (attention output, MLP down). */
    residual_init_scale: z.number().positive().default(1),
    /** Layer-0 heads whose biases make them look back by these distances from the start. */
    look_back_heads: z.array(z.number().int().positive()).default([]),
  }),
  /** Regular expressions whose distinct matches in the training text become one token each. */
  phrase_patterns: z.array(z.string().min(1)),
  /** Absent: none. */
  drill: drillSchema.optional(),
  /** Supervised pre-training (all weights) on problems of its own. */
  pretraining: z.strictObject({
    problems: z.number().int().positive(),
    training: sftSchema,
  }),
})
export type TinyModelConfig = z.infer<typeof tinyModelSchema>

export const modelSchema = z.union([
  z.strictObject({ path: z.string().min(1), revision: z.string().optional() }),
  z.strictObject({ tiny: tinyModelSchema }),
])
export type ModelConfig = z.infer<typeof modelSchema>
