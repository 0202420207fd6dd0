import * as z from 'zod'
import { LABELS } from '../logic/truth.ts'
import { RULE_TYPES } from '../problems/generator/twist.ts'
import { backendSchema } from './backend.ts'
import { modelSchema } from './model.ts'
import { evaluationSchema } from './evaluation.ts'
import { fileNameSchema } from './name.ts'
import { tracesSchema } from './traces.ts'
import { dpoSchema, preferencesSchema, sftSchema } from './training.ts'

/** Settings of our own PrOntoQA-style generator; see `generateProblems`. */
export const generatorSchema = z.strictObject({
  hops: z
    .array(z.number().int().positive())
    .min(1)
    .describe('Numbers of modus ponens steps; each equally often.'),
  labels: z.array(z.enum(LABELS)).min(1).default(['TRUE', 'FALSE']).describe('Labels; each equally often.'),
  rules: z
    .array(z.enum(RULE_TYPES))
    .min(1)
    .default(['modus_ponens'])
    .describe('What proofs need at one place, besides modus ponens; each equally often.'),
  forms: z
    .enum(['every', 'mixed'])
    .default('every')
    .describe('Wording of the rules: "Every", or "Every", "Each" and plurals mixed as in the official data.'),
  order: z.enum(['random', 'forward', 'backward']).default('random').describe('Order of the premises.'),
  ontology: z
    .enum(['fictional', 'real-words', 'taxonomy'])
    .default('fictional')
    .describe('Class names: made up, real words in made-up relations, or true inclusions.'),
  distractor_rules: z.number().int().nonnegative().default(2).describe('Rules that lead nowhere.'),
  distractor_facts: z.number().int().nonnegative().default(0).describe('Facts that lead nowhere.'),
})
export type GeneratorConfig = z.infer<typeof generatorSchema>

/** Problems come from files (problem records or any format that `data convert` reads) or from the generator. */
const problemSourceSchema = z.union([
  z.strictObject({
    files: z.array(z.string().min(1)).min(1),
    /** A part of the shuffled problems, for example [0, 0.8] for training and [0.8, 1] held out. */
    slice: z.tuple([z.number().min(0).max(1), z.number().min(0).max(1)]).default([0, 1]),
  }),
  z.strictObject({ count: z.number().int().positive() }),
])
export type ProblemSource = z.infer<typeof problemSourceSchema>

/** The sets that a run has anyway; each has a file of its name, as further ones have. */
const OWN_SETS: readonly string[] = ['pretraining', 'sft', 'train', 'held_out']
const setNameSchema = fileNameSchema.refine((name) => !OWN_SETS.includes(name.toLowerCase()), {
  error: `must be another than those of the run itself (${OWN_SETS.join(', ')})`,
})

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
    evaluate_also: z.record(setNameSchema, problemSourceSchema).default({}),
  }),
  sft: sftSchema,
  iterations: z.number().int().positive(),
  traces: z.strictObject({
    /** Problems per iteration, a fresh draw from `data.train` each time; absent: all of them. */
    num_problems: z.number().int().positive().optional(),
    ...tracesSchema.shape,
  }),
  preferences: preferencesSchema.prefault({}),
  dpo: dpoSchema,
  evaluation: evaluationSchema,
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
