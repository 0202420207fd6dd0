import * as z from 'zod'

export const loraSchema = z.strictObject({
  rank: z.number().int().positive().default(16),
  alpha: z.number().positive().default(32),
  dropout: z.number().min(0).lt(1).default(0),
  target_modules: z.union([z.literal('all-linear'), z.array(z.string()).min(1)]).default('all-linear'),
})
export type LoraConfig = z.infer<typeof loraSchema>

/** Optimiser and schedule, common to SFT and DPO (AdamW, decoupled weight decay). */
const optimisationShape = {
  learning_rate: z.number().positive(),
  warmup_ratio: z
    .number()
    .min(0)
    .lt(1)
    .default(0.05)
    .describe('Share of the steps over which the learning rate rises linearly from 0.'),
  schedule: z.enum(['constant', 'linear', 'cosine']).default('linear'),
  weight_decay: z.number().min(0).default(0),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.999]),
  eps: z.number().positive().default(1e-8),
  max_grad_norm: z.number().positive().default(1),
  num_epochs: z.number().positive().default(1),
  max_steps: z
    .number()
    .int()
    .positive()
    .optional()
    .describe('Optimiser steps; absent: num_epochs over the data.'),
  batch_size: z
    .number()
    .int()
    .positive()
    .describe(
      'Examples (SFT) or pairs (DPO); times gradient_accumulation_steps, those of an optimiser step.',
    ),
  gradient_accumulation_steps: z
    .number()
    .int()
    .positive()
    .default(1)
    .describe('An optimiser step covers batch_size x gradient_accumulation_steps, shared by all workers.'),
  max_length: z
    .number()
    .int()
    .positive()
    .default(1024)
    .describe('Tokens of prompt and completion together; longer examples are left out and counted.'),
  micro_batch_tokens: z
    .number()
    .int()
    .positive()
    .default(8192)
    .describe('Tokens per forward pass; memory only, never the result.'),
  gradient_checkpointing: z.boolean().default(false),
  save_every: z
    .number()
    .int()
    .nonnegative()
    .default(100)
    .describe('Optimiser steps between checkpoints; 0: none but the final weights.'),
  keep_checkpoints: z
    .number()
    .int()
    .positive()
    .default(2)
    .describe('Checkpoints kept; older ones are deleted.'),
}

/** Which demonstrations SFT sees; `careless` ones are the tiny default's planted imperfection. */
export const demonstrationsSchema = z.strictObject({
  careless_share: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Share of problems whose demonstration is careless.'),
  swap_share: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Of the careless ones, the probability that a step has its arguments swapped.'),
  guess_share: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Of the careless ones, the probability that the proof is cut short and concluded at random.'),
  guess_after: z
    .number()
    .int()
    .nonnegative()
    .optional()
    .describe('Steps before a careless proof is cut short; absent: any number, at random.'),
})
export type DemonstrationsConfig = z.infer<typeof demonstrationsSchema>

export const sftSchema = z.strictObject({
  ...optimisationShape,
  lora: loraSchema.nullable().prefault({}).describe('null trains every weight.'),
  demonstrations: demonstrationsSchema.prefault({}),
})
export type SftConfig = z.infer<typeof sftSchema>

/** SFT on examples that are made elsewhere: everything but which demonstrations are shown. */
export const plainSftSchema = sftSchema.omit({ demonstrations: true })
export type PlainSftConfig = z.infer<typeof plainSftSchema>

export const preferencesSchema = z.strictObject({
  mode: z.enum(['best-vs-rest', 'all', 'step']).default('best-vs-rest'),
  min_validity_gap: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('Least difference in validity rate between chosen and rejected, in [0, 1].'),
  require_valid_winner: z
    .boolean()
    .default(true)
    .describe('The chosen side must be a valid trace (by proof).'),
  max_pairs_per_problem: z.number().int().positive().default(16),
  correct_weight: z
    .number()
    .min(0)
    .default(1)
    .describe('score = validity rate + correct_weight x correct + proof_weight x valid by proof.'),
  proof_weight: z.number().min(0).default(0.5),
})
export type PreferencesConfig = z.infer<typeof preferencesSchema>

export const dpoSchema = z.strictObject({
  ...optimisationShape,
  batching: z
    .enum(['questions', 'pairs'])
    .default('questions')
    .describe(
      'What is shuffled into optimiser steps: questions with all their pairs, whose prompt and trajectories a step reads once; or single pairs, as TRL does, which reads several times as many tokens.',
    ),
  beta: z.number().positive().default(0.1),
  loss: z.enum(['sigmoid', 'ipo', 'hinge', 'robust']).default('sigmoid'),
  label_smoothing: z.number().min(0).lt(0.5).default(0),
  nll_coef: z
    .number()
    .min(0)
    .default(0)
    .describe("Weight of the chosen side's negative log-likelihood, length-normalised, per pair."),
  length_normalised: z.boolean().default(false),
  lora: loraSchema.prefault({}).describe('Used where the starting policy is a base without an adapter.'),
  allow_stale_traces: z
    .boolean()
    .default(false)
    .describe('Train on traces of another policy than the one that is trained.'),
})
export type DpoConfig = z.infer<typeof dpoSchema>

/** The optimisation settings that SFT and DPO share. */
export type OptimisationConfig = Pick<SftConfig, keyof typeof optimisationShape>
