import * as z from 'zod'
import { LABELS } from '../logic/truth.ts'
import { backendSchema } from './backend.ts'
import { modelSchema } from './model.ts'
import { samplingSchema } from './sampling.ts'
import { dpoSchema, preferencesSchema, sftSchema } from './training.ts'

/** Settings of our own PrOntoQA-style generator; see `generateProblems`. */
export const generatorSchema = z.strictObject({
  hops: z.array(z.number().int().positive()).min(1),
  labels: z.array(z.enum(LABELS)).min(1).default(['TRUE', 'FALSE']),
  forms: z.enum(['every', 'mixed']).default('every'),
  distractor_rules: z.number().int().nonnegative().default(2),
  distractor_facts: z.number().int().nonnegative().default(0),
})
export type GeneratorConfig = z.infer<typeof generatorSchema>

/** Problems come from files (problem records or any format that `data convert` reads) or from the generator. */
const problemSourceSchema = z.union([
  z.strictObject({ files: z.array(z.string().min(1)).min(1), limit: z.number().int().positive().optional() }),
  z.strictObject({ count: z.number().int().positive() }),
])
export type ProblemSource = z.infer<typeof problemSourceSchema>

export const oakSchema = z.strictObject({
  pipeline: z.literal('oak'),
  seed: z.number().int().nonnegative().default(42),
  output: z.string().min(1),
  model: modelSchema,
  backend: backendSchema.prefault({}),
  data: z.strictObject({
    /** Used wherever a source below gives a `count` instead of files. */
    generator: generatorSchema.optional(),
    /** Demonstrations for SFT. */
    sft: problemSourceSchema,
    /** Problems on which every iteration samples fresh traces. */
    train: problemSourceSchema,
    /** Problems that nothing is trained or chosen on. */
    held_out: problemSourceSchema,
    /** Further evaluation sets by name. */
    evaluate_also: z.record(z.string(), problemSourceSchema).default({}),
  }),
  sft: sftSchema,
  iterations: z.number().int().positive(),
  traces: z.strictObject({
    /** Problems per iteration, a fresh draw from `data.train` each time; absent: all of them. */
    num_problems: z.number().int().positive().optional(),
    samples_per_problem: z.number().int().positive(),
    ...samplingSchema.shape,
  }),
  preferences: preferencesSchema.prefault({}),
  dpo: dpoSchema,
  evaluation: z.strictObject({ ...samplingSchema.shape }),
  controls: z
    .strictObject({
      /** From the SFT model, the optimiser seconds that DPO had, spent on more SFT of the same mix. */
      more_sft: z.boolean().default(false),
      /** SFT on careful demonstrations only, for comparison. */
      careful_sft: z.boolean().default(false),
    })
    .prefault({}),
})
export type OakConfig = z.infer<typeof oakSchema>
