import * as z from 'zod'
import { PLAIN, type OpDefinition } from '../define-op.ts'
import { countSchema } from '../header.ts'

/** Every request may say after how many seconds it must have ended. */
export const DEADLINE = { deadline_s: z.number().positive().optional() }

const fingerprint = z.string().min(1)
const positive = z.number().int().positive()
export const seedSchema = z.number().int().min(0).max(0xffff_ffff)
const nothing = z.object({})

/** Trains a byte-level tokenizer in which every distinct match of `phrase_patterns` is one token. */
const tokenizerTrain = {
  ...PLAIN,
  request: z.object({
    ...DEADLINE,
    path: z.string().min(1),
    /** A file with one JSON string per line. */
    texts_path: z.string().min(1),
    phrase_patterns: z.array(z.string().min(1)),
    special_tokens: z.object({
      eos: z.string().min(1),
      pad: z.string().min(1),
      bos: z.string().min(1).optional(),
      unk: z.string().min(1).optional(),
    }),
  }),
  result: z.object({ vocab_size: positive }),
} satisfies OpDefinition

/** Writes a freshly initialised Llama as a Hugging Face folder. */
const modelCreate = {
  ...PLAIN,
  request: z.object({
    ...DEADLINE,
    path: z.string().min(1),
    tokenizer_path: z.string().min(1),
    architecture: z.object({
      hidden_size: positive,
      num_layers: positive,
      num_heads: positive,
      num_kv_heads: positive.optional(),
      /** Even; hidden_size / num_heads if absent. */
      head_dim: positive.optional(),
      intermediate_size: positive,
      max_positions: positive,
      rope_theta: z.number().positive(),
      tie_embeddings: z.boolean(),
      attention_bias: z.boolean(),
      initializer_range: z.number().positive(),
      /** Factor on the initial weights that write into the residual stream; 1 if absent. */
      residual_init_scale: z.number().positive().optional(),
      /** Layer-0 heads whose biases make them look back by these distances from the start. */
      look_back_heads: z.array(positive).optional(),
    }),
    seed: seedSchema,
  }),
  result: z.object({ num_parameters: positive, fingerprint }),
} satisfies OpDefinition

/** Loads a base model; loading the loaded one again is free. */
const modelLoad = {
  ...PLAIN,
  request: z.object({
    ...DEADLINE,
    /** Folder or hub name. */
    model: z.string().min(1),
    revision: z.string().min(1).optional(),
    dtype: z.enum(['auto', 'float32', 'bfloat16']),
    trust_remote_code: z.boolean(),
    deterministic: z.boolean(),
    threads: positive.optional(),
  }),
  result: z.object({
    fingerprint,
    num_parameters: positive,
    vocab_size: positive,
    max_positions: positive.nullish(),
    eos_token_id: countSchema.nullish(),
    dtype: z.string(),
    device: z.string(),
    /** The product, as its driver calls it: "NVIDIA H100 80GB HBM3". */
    device_name: z.string(),
    load_s: z.number().nonnegative(),
    /** Why training reads a prompt once per completion instead of once; absent where it is shared. */
    rows_apart: z.string().nullish(),
  }),
} satisfies OpDefinition

const modelUnload = { ...PLAIN, request: z.object(DEADLINE), result: nothing } satisfies OpDefinition

/** Writes the base weights, after full training, as a Hugging Face folder. */
const modelSave = {
  ...PLAIN,
  request: z.object({ ...DEADLINE, path: z.string().min(1) }),
  result: z.object({ fingerprint }),
} satisfies OpDefinition

/** Writes base + adapter as a Hugging Face folder, computed on a copy. */
const modelMerge = {
  ...PLAIN,
  request: z.object({ ...DEADLINE, policy: z.string().min(1), path: z.string().min(1) }),
  result: z.object({ fingerprint }),
} satisfies OpDefinition

const stats = {
  ...PLAIN,
  request: z.object(DEADLINE),
  result: z.object({
    pid: positive,
    rss_bytes: countSchema,
    device_memory_bytes: countSchema.nullish(),
    models: z.array(z.string()),
    adapters: z.array(z.string()),
    uptime_s: z.number().nonnegative(),
  }),
} satisfies OpDefinition

export const MODEL_OPS = {
  'tokenizer.train': tokenizerTrain,
  'model.create': modelCreate,
  'model.load': modelLoad,
  'model.unload': modelUnload,
  'model.save': modelSave,
  'model.merge': modelMerge,
  stats,
} as const
