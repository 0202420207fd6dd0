import * as z from 'zod'
import { f32, f64, i32, PLAIN, RAGGED_IDS, u8, type OpDefinition } from '../define-op.ts'
import { countSchema } from '../header.ts'
import { DEADLINE, seedSchema } from './model.ts'

const positive = z.number().int().positive()
const session = z.string().min(1)
const nothing = z.object({})

/** The worker becomes one of those that train together. */
const groupJoin = {
  ...PLAIN,
  request: z.object({
    ...DEADLINE,
    /** A name that no other meeting has. */
    group: z.string().min(1),
    rank: countSchema,
    size: positive,
    /** Where the ranks find each other, unless their launcher told them with `MASTER_ADDR` and `MASTER_PORT`. */
    meeting: z.discriminatedUnion('type', [
      /** A file that does not exist yet. `local`: all ranks are on one machine, and nothing leaves it. */
      z.object({ type: z.literal('file'), path: z.string().min(1), local: z.boolean() }),
      /** Rank 0 listens there. */
      z.object({ type: z.literal('tcp'), host: z.string().min(1), port: positive }),
    ]),
  }),
  result: nothing,
} satisfies OpDefinition

const trainBegin = {
  ...PLAIN,
  request: z.object({
    ...DEADLINE,
    session,
    algorithm: z.enum(['sft', 'dpo', 'ppo']),
    /** A trainable adapter, or `null` for every weight of the base. */
    policy: z.string().min(1).nullable(),
    optimizer: z.object({
      betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]),
      eps: z.number().positive(),
      weight_decay: z.number().nonnegative(),
      max_grad_norm: z.number().positive(),
    }),
    micro_batch_tokens: positive,
    gradient_checkpointing: z.boolean(),
    /** `ppo` only: trains a critic beside the policy. */
    value_head: z.boolean().optional(),
    seed: seedSchema,
    deterministic: z.boolean(),
    /** All ranks of this group train together, each on its shard of every batch. */
    group: z.string().min(1).optional(),
    /** How the ranks hold weights, gradients and optimiser; only all weights of a base are sharded. */
    sharding: z.enum(['none', 'fsdp2']).optional(),
  }),
  result: z.object({ trainable_parameters: positive, weights_fingerprint: z.string().min(1) }),
} satisfies OpDefinition

/** In a group any batch may be a shard without rows. */
const sftBatch = z.object({
  type: z.literal('sft'),
  prompts: z.array(z.string()),
  completions: z.array(z.string()),
  append_eos: z.boolean(),
  max_length: positive,
})

/** On-policy completions exactly as they were sampled: blobs `ids`, `ids_lengths`. */
const sftIdsBatch = z.object({
  type: z.literal('sft_ids'),
  prompts: z.array(z.string()),
  rows: z.array(countSchema),
  max_length: positive,
})

/** Rows of ids with a mask of the targets: blobs `ids`, `ids_lengths`, `target_mask`. */
const lmIdsBatch = z.object({ type: z.literal('lm_ids') })

/** Blobs `ids`, `ids_lengths` (one row per distinct trajectory) and `reference_sums`. */
const dpoBatch = z.object({
  type: z.literal('dpo'),
  prompts: z.array(z.string()),
  rows: z.array(countSchema),
  /** Row of the chosen and of the rejected trajectory. */
  pairs: z.array(z.tuple([countSchema, countSchema])),
  weights: z.array(z.number().nonnegative()).optional(),
  loss: z.enum(['sigmoid', 'ipo', 'hinge', 'robust']),
  beta: z.number().positive(),
  label_smoothing: z.number().min(0).lt(0.5),
  nll_coef: z.number().nonnegative(),
  length_normalised: z.boolean(),
  max_length: positive,
})

/**
 * Blobs `ids`, `ids_lengths`, and with one number per id `old_logprobs`, `advantages`; with a value head
 * `returns` and `old_values`; with a `kl_coef` above 0 `reference_logprobs`.
 */
const ppoBatch = z.object({
  type: z.literal('ppo'),
  prompts: z.array(z.string()),
  rows: z.array(countSchema),
  max_length: positive,
  temperature: z.number().positive(),
  /** The ratio is clipped to [1 - clip_low, 1 + clip_high]. */
  clip_low: z.number().positive(),
  clip_high: z.number().positive(),
  value_clip: z.number().positive().optional(),
  value_coef: z.number().nonnegative(),
  value_learning_rate: z.number().nonnegative(),
  entropy_coef: z.number().nonnegative(),
  kl_coef: z.number().nonnegative(),
  /** Only the critic is trained. */
  value_only: z.boolean(),
  /** A batch whose mean KL from the old policy exceeds this is measured and not applied. */
  max_kl: z.number().positive().optional(),
})

const trainStep = {
  ...PLAIN,
  request: z.object({
    ...DEADLINE,
    session,
    /** 1, 2, ...; a repeated step is replayed, a gap refused. */
    step: positive,
    learning_rate: z.number().nonnegative(),
    batch: z.discriminatedUnion('type', [sftBatch, sftIdsBatch, lmIdsBatch, dpoBatch, ppoBatch]),
  }),
  requestBlobs: z.strictObject({
    ids: i32.optional(),
    ids_lengths: i32.optional(),
    target_mask: u8.optional(),
    reference_sums: f64.optional(),
    old_logprobs: f32.optional(),
    advantages: f32.optional(),
    returns: f32.optional(),
    old_values: f32.optional(),
    reference_logprobs: f32.optional(),
  }),
  result: z.object({
    step: positive,
    loss: z.number(),
    grad_norm: z.number(),
    tokens: countSchema,
    truncated: countSchema,
    metrics: z.record(z.string(), z.number()),
  }),
} satisfies OpDefinition

/** What the weights in training say of given completions, by the kernel that trains them. */
const trainScore = {
  ...PLAIN,
  request: z.object({
    ...DEADLINE,
    session,
    prompts: z.array(z.string()),
    rows: z.array(countSchema),
    temperature: z.number().positive(),
    micro_batch_tokens: positive,
  }),
  requestBlobs: RAGGED_IDS,
  result: nothing,
  /** One number per id; `values` with a value head only. */
  resultBlobs: z.strictObject({ logprobs: f32, entropies: f32, values: f32.optional() }),
} satisfies OpDefinition

/** What the ranks of a group must agree in. */
const trainVerify = {
  ...PLAIN,
  request: z.object({ ...DEADLINE, session }),
  result: z.object({ weights_fingerprint: z.string().min(1) }),
} satisfies OpDefinition

const trainEnd = {
  ...PLAIN,
  request: z.object({ ...DEADLINE, session }),
  result: nothing,
} satisfies OpDefinition

const checkpointSave = {
  ...PLAIN,
  request: z.object({ ...DEADLINE, session, path: z.string().min(1), cursor: z.unknown() }),
  result: z.object({ bytes: countSchema }),
} satisfies OpDefinition

const checkpointLoad = {
  ...PLAIN,
  request: z.object({ ...DEADLINE, session, path: z.string().min(1) }),
  result: z.object({ step: countSchema, cursor: z.unknown() }),
} satisfies OpDefinition

export const TRAINING_OPS = {
  'group.join': groupJoin,
  'train.begin': trainBegin,
  'train.step': trainStep,
  'train.score': trainScore,
  'train.verify': trainVerify,
  'train.end': trainEnd,
  'checkpoint.save': checkpointSave,
  'checkpoint.load': checkpointLoad,
} as const
