import * as z from 'zod'
import { f32, f64, i32, PLAIN, RAGGED_IDS, type OpDefinition } from '../define-op.ts'
import { countSchema } from '../header.ts'
import { DEADLINE, seedSchema } from './model.ts'

const positive = z.number().int().positive()

/** An adapter's name, or `null` for the base as loaded. */
const policy = z.string().min(1).nullable()

const completionEvent = z.object({
  type: z.literal('completion'),
  key: z.string(),
  text: z.string(),
  finish_reason: z.enum(['stop', 'eos', 'length', 'segment_length', 'prompt_too_long']),
  stop_name: z.string().nullish(),
  num_tokens: countSchema,
  prompt_tokens: countSchema,
})

/** Samples completions; each arrives as an event when it is finished, in any order. */
const generate = {
  ...PLAIN,
  request: z.object({
    ...DEADLINE,
    policy,
    engine: z.enum(['auto', 'native', 'transformers']),
    requests: z.array(z.object({ key: z.string(), prompt: z.string(), seed: seedSchema })).min(1),
    sampling: z.object({
      /** 0 is greedy. */
      temperature: z.number().nonnegative(),
      top_p: z.number().gt(0).max(1),
      max_new_tokens: positive,
    }),
    stops: z.array(z.object({ name: z.string().min(1), pattern: z.string().min(1), count: positive })),
    segment: z.object({ boundary: z.string().min(1), max_tokens: positive }).optional(),
    max_prompt_tokens: positive.optional(),
    logprobs: z.boolean(),
    deterministic: z.boolean(),
    slots: positive.optional(),
  }),
  event: completionEvent,
  /** `logprobs` are those of the sampling distribution, one per id. */
  eventBlobs: z.strictObject({ ids: i32, logprobs: f32.optional() }),
  result: z.object({
    completions: countSchema,
    generated_tokens: countSchema,
    prompt_tokens: countSchema,
    seconds: z.number().nonnegative(),
    engine: z.string(),
    /** What computes a step of the native engine: its own arithmetic, or the forward of transformers. */
    decoder: z.enum(['lean', 'forward']).optional(),
  }),
} satisfies OpDefinition

const encode = {
  ...PLAIN,
  request: z.object({ ...DEADLINE, texts: z.array(z.string()), special_tokens: z.boolean() }),
  result: z.object({}),
  resultBlobs: RAGGED_IDS,
} satisfies OpDefinition

/** Log-probabilities of given completions; `rows[i]` is the prompt of completion i. */
const score = {
  ...PLAIN,
  request: z.object({
    ...DEADLINE,
    policy,
    prompts: z.array(z.string()),
    rows: z.array(countSchema),
    temperature: z.number().positive(),
    micro_batch_tokens: positive,
  }),
  requestBlobs: RAGGED_IDS,
  result: z.object({}),
  resultBlobs: z.strictObject({
    logprobs: f32,
    logprobs_lengths: i32,
    /** Per row, accumulated in fp64. */
    sums: f64,
  }),
} satisfies OpDefinition

export const INFERENCE_OPS = { generate, encode, score } as const
