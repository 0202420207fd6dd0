import * as z from 'zod'
import { sftSchema } from './training.ts'

/** A small Llama made on the spot: architecture, tokenizer and pre-training of the embedded default. */
export const tinyModelSchema = z.strictObject({
  architecture: z.strictObject({
    hidden_size: z.number().int().positive(),
    num_layers: z.number().int().positive(),
    num_heads: z.number().int().positive(),
    intermediate_size: z.number().int().positive(),
    max_positions: z.number().int().positive(),
    rope_theta: z.number().positive(),
    tie_embeddings: z.boolean().default(true),
    attention_bias: z.boolean().default(false),
    initializer_range: z.number().positive().default(0.02),
    /** Layer-0 heads whose biases make them look back by these distances from the start. */
    look_back_heads: z.array(z.number().int().positive()).default([]),
  }),
  /** Regular expressions whose distinct matches in the training text become one token each. */
  phrase_patterns: z.array(z.string().min(1)),
  /** Steps of a copy drill on repeated random tokens (all weights), before any text. */
  drill: z.strictObject({
    steps: z.number().int().nonnegative(),
    batch_size: z.number().int().positive(),
    length: z.number().int().positive(),
    learning_rate: z.number().positive(),
  }),
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
