import * as z from 'zod'
import { answersShape } from './rollouts.ts'
import { loraSchema } from './training.ts'

const unit = z.number().min(0).max(1)
const moment = z.number().min(0).lt(1)

/**
 * Reinforcement learning on correctness. `ppo` has a critic and per-token advantages; `grpo` and `rloo` are
 * the same loop with advantages from the other answers to the same question.
 */
export const ppoSchema = z.strictObject({
  algorithm: z.enum(['ppo', 'grpo', 'rloo']).default('ppo'),
  n_samples: z.number().int().positive().default(2000).describe('Questions asked in the whole run.'),
  batch_size: z.number().int().positive().default(4).describe('Questions per iteration.'),
  group_size: z
    .number()
    .int()
    .positive()
    .optional()
    .describe('Answers per question; absent: 1 for ppo, 8 for grpo and rloo.'),
  num_epochs: z.number().int().positive().default(2).describe('Passes over the answers of an iteration.'),
  mini_batch_size: z
    .number()
    .int()
    .positive()
    .default(128)
    .describe('Answers per optimiser step; an iteration with fewer has one step per pass.'),
  learning_rate: z.number().positive().default(5e-6),
  value_learning_rate: z.number().positive().default(1e-3).describe("The critic's, which starts at zero."),
  weight_decay: z.number().min(0).default(0),
  betas: z.tuple([moment, moment]).default([0.9, 0.999]),
  eps: z.number().positive().default(1e-8),
  max_grad_norm: z.number().positive().default(1),
  temperature: z.number().positive().default(1).describe('Of sampling and of the log-probabilities trained.'),
  top_p: z
    .literal(1)
    .default(1)
    .describe('Only 1: what nucleus sampling cuts off would have no probability to train.'),
  ...answersShape,
  missing_eos_penalty: z
    .number()
    .min(0)
    .default(0)
    .describe('Taken from the reward of an answer that does not end by itself.'),
  clip_range: z
    .number()
    .positive()
    .default(0.2)
    .describe('The ratio is clipped at 1 - clip_range from below.'),
  clip_range_high: z
    .number()
    .positive()
    .optional()
    .describe('The ratio is clipped at 1 + this from above; absent: clip_range.'),
  value_clip: z
    .number()
    .positive()
    .nullable()
    .default(0.2)
    .describe('Values are held this near to the old ones; null: not clipped.'),
  value_coef: z.number().min(0).default(0.1).describe("Weight of the critic's loss."),
  entropy_coef: z.number().min(0).default(0).describe('Weight of the entropy bonus.'),
  gamma: unit.default(1).describe('Discount per token.'),
  lambda: unit.default(0.95).describe('Of generalised advantage estimation.'),
  whiten_advantages: z
    .boolean()
    .default(true)
    .describe('ppo: advantages of an iteration to mean 0, variance 1.'),
  whiten_rewards: z
    .boolean()
    .default(false)
    .describe('ppo: per-token rewards to variance 1, their mean kept.'),
  kl_coef: z.number().min(0).default(0.02).describe('Weight of the KL divergence from the frozen start.'),
  kl_placement: z
    .enum(['reward', 'loss'])
    .optional()
    .describe('Where it is charged; absent: in the loss for grpo, in the reward for the others.'),
  kl_target: z
    .number()
    .positive()
    .optional()
    .describe('KL per answer that kl_coef is adapted to; absent: kl_coef stays as it is.'),
  kl_horizon: z
    .number()
    .positive()
    .default(10_000)
    .describe('Answers over which the coefficient is adapted; with kl_target.'),
  target_kl: z
    .number()
    .positive()
    .nullable()
    .default(0.1)
    .describe('An iteration ends early when the mean per-token KL from its old policy passes this.'),
  value_warmup: z
    .number()
    .int()
    .nonnegative()
    .default(0)
    .describe('ppo: iterations at the start in which only the critic learns.'),
  lora: loraSchema.nullable().prefault({}).describe('null trains every weight; that needs kl_coef 0.'),
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
    .default(500)
    .describe('Questions between checkpoints; 0: none but the final weights.'),
  keep_checkpoints: z.number().int().positive().default(2),
})
export type PpoConfig = z.infer<typeof ppoSchema>

/** Answers that a question is given. */
export function answersEach({ group_size: size, algorithm }: PpoConfig): number {
  return size ?? (algorithm === 'ppo' ? 1 : 8)
}
