import * as z from 'zod'
import { backendSchema } from './backend.ts'
import { questionEvaluationSchema } from './evaluation-questions.ts'
import { modelSchema } from './model.ts'
import { ppoSchema } from './ppo.ts'
import { rolloutPairsSchema, rolloutsSchema } from './rollouts.ts'
import { dpoSchema, plainSftSchema } from './training.ts'

/** Settings of our own arithmetic word problems; see `generateQuestions`. */
export const questionGeneratorSchema = z.strictObject({
  steps: z
    .array(z.number().int().positive())
    .min(1)
    .default([1, 2, 3, 4])
    .describe('Numbers of steps of the solutions, in turn.'),
  max_operand: z.number().int().min(2).default(12).describe('Largest number that a question states.'),
  max_result: z.number().int().min(2).default(99).describe('Largest result of a step.'),
})
export type QuestionGeneratorConfig = z.infer<typeof questionGeneratorSchema>

/** Questions come from files of GSM8K's form, or from the generator. */
const questionSourceSchema = z.union([
  z.strictObject({
    files: z.array(z.string().min(1)).min(1),
    /** Makes GSM8K Platinum of GSM8K's test questions. */
    platinum_overlay: z.string().min(1).optional(),
  }),
  z.strictObject({ count: z.number().int().positive() }),
])
export type QuestionSource = z.infer<typeof questionSourceSchema>

/**
 * What a base made on the spot learns of questions after its pre-training on worked solutions: a mix with
 * bare answers. That is planted, and leaves PPO something to find: working out pays, guessing does not.
 */
export const habitsSchema = z.strictObject({
  questions: z.number().int().positive(),
  bare_share: z.number().min(0).max(1).describe('Share of demonstrations that only guess the answer.'),
  wordy_share: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe('Share of the worked demonstrations that are wordy rather than terse.'),
  training: plainSftSchema,
})
export type HabitsConfig = z.infer<typeof habitsSchema>

export const abelSchema = z
  .strictObject({
    pipeline: z.literal('abel'),
    seed: z.number().int().nonnegative().default(42),
    output: z.string().min(1),
    model: modelSchema,
    /** Only with a model made on the spot. */
    habits: habitsSchema.optional(),
    backend: backendSchema.prefault({}),
    data: z.strictObject({
      /** Used wherever a source below gives a `count` instead of files. */
      generator: questionGeneratorSchema.prefault({}),
      /** Questions of PPO and of the rollouts. */
      train: questionSourceSchema,
      /** Questions that nothing is trained or chosen on. */
      held_out: questionSourceSchema,
    }),
    ppo: ppoSchema,
    rollouts: z.strictObject({
      n_samples: z.number().int().positive().optional().describe('Questions; absent: all of data.train.'),
      ...rolloutsSchema.shape,
    }),
    preferences: rolloutPairsSchema.prefault({}),
    dpo: dpoSchema,
    evaluation: questionEvaluationSchema,
    controls: z
      .strictObject({
        /** From the base, the seconds that PPO, rollouts and DPO had, spent on more SFT of the same mix. */
        more_sft: z.boolean().default(false),
      })
      .prefault({}),
  })
  .refine(({ model, habits }) => habits === undefined || 'tiny' in model, {
    error: 'habits belong to a model that is made on the spot (model.tiny)',
    path: ['habits'],
  })
  .refine(({ controls, habits }) => !controls.more_sft || habits !== undefined, {
    error: 'more SFT needs the demonstrations of habits',
    path: ['controls', 'more_sft'],
  })
export type AbelConfig = z.infer<typeof abelSchema>
