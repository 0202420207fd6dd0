import * as z from 'zod'

/** Reward presets; what each can tell apart is in docs/regime-w.md. */
export const PRESETS = ['guide', 'looper8', 'trajectory'] as const
export type Preset = (typeof PRESETS)[number]

/** One answer to a question. Unknown fields are kept. */
export const trajectorySchema = z.looseObject({
  /** The completion, without the prompt. */
  full_text: z.string(),
  /** Token ids as sampled; absent where the backend gives none. */
  completion_ids: z.array(z.number().int().nonnegative()).optional(),
  /** Final answer as extracted; null: no answer, which is not an answer of its own. */
  answer: z.union([z.string(), z.number()]).nullable(),
  num_tokens: z.number().int().nonnegative(),
  finish_reason: z.string().optional(),
  correct: z.boolean(),
  /** Index of the sampling settings that produced it. */
  arm: z.number().int().nonnegative().optional(),
  seed: z.number().int().nonnegative().optional(),
})
export type Trajectory = z.infer<typeof trajectorySchema>

/** The rollouts of one question, one line of `abel_regime_w_rollouts.jsonl`, scored or not. */
export const rolloutGroupSchema = z.looseObject({
  question_id: z.string().min(1).optional(),
  question: z.string(),
  gold_answer: z.union([z.string(), z.number()]),
  /** The prompt that all trajectories continue; absent in files of older systems. */
  prompt: z.string().optional(),
  prompt_tokens: z.number().int().positive().optional(),
  /** Fingerprint of the policy that generated the trajectories. */
  policy: z.string().optional(),
  trajectories: z.array(trajectorySchema).min(1),
})
export type RolloutGroup = z.infer<typeof rolloutGroupSchema>

/**
 * The parts of a reward, and what they were computed from. The reward is the sum of the terms
 * `correctness + coherence + agreement + length + shape`.
 */
export const componentsSchema = z.object({
  /** 1 or 0. */
  correctness: z.number(),
  /** beta_coherence x s_wm: the same for every trajectory of a question. */
  coherence: z.number(),
  /** beta_agreement, or 0. */
  agreement: z.number(),
  /** At most 0. */
  length: z.number(),
  /** `trajectory` only, otherwise 0: 0.3 x (0.4 consistency + 0.4 dependence + 0.2 closeness). */
  shape: z.number(),
  /** Number of equations in the text; null where the preset does not read them (`looper8`). */
  equations: z.number().int().nonnegative().nullable(),
  /** Share of equations that hold, in [0, 1]; null without equations. */
  consistency: z.number().nullable(),
  /** Share of the question's numbers in use that the answer depends on, in [0, 1]; null if none is used. */
  dependence: z.number().nullable(),
  /** consistency x dependence; null if either is. */
  counterfactual: z.number().nullable(),
  /** 1 - normalised edit distance to the group's medoid, in [0, 1]; `trajectory` only, otherwise null. */
  closeness: z.number().nullable(),
})
export type Components = z.infer<typeof componentsSchema>

export const scoredTrajectorySchema = trajectorySchema.extend({
  reward: z.number(),
  components: componentsSchema,
})
export type ScoredTrajectory = z.infer<typeof scoredTrajectorySchema>

/** Weight of the three scores in `s_wm`; null: the score is undefined, and the others carry its weight. */
export const weightsSchema = z.object({
  s_end: z.number(),
  s_path: z.number().nullable(),
  s_cf: z.number().nullable(),
})
export type Weights = z.infer<typeof weightsSchema>

export const rewardSettingsSchema = z.object({
  beta_coherence: z.number(),
  beta_agreement: z.number(),
  alpha_length: z.number(),
})
export type RewardSettings = z.infer<typeof rewardSettingsSchema>

/** A rollout group with its Regime W scores. */
export const scoredGroupSchema = rolloutGroupSchema.extend({
  trajectories: z.array(scoredTrajectorySchema).min(1),
  preset: z.enum(PRESETS),
  /** Agreement of the answers, in [0, 1]. */
  s_end: z.number(),
  /** Agreement of the lengths, in [0, 1]; null if every trajectory is empty. */
  s_path: z.number().nullable(),
  /** Mean counterfactual score, in [0, 1]; null if no trajectory has one. */
  s_cf: z.number().nullable(),
  /** Weighted mean of the three. */
  s_wm: z.number(),
  weights: weightsSchema,
  /** Null for `looper8`, whose constants are part of the preset. */
  settings: rewardSettingsSchema.nullable(),
  /** A single trajectory agrees with itself: its scores mean nothing. */
  degenerate: z.boolean(),
})
export type ScoredGroup = z.infer<typeof scoredGroupSchema>
