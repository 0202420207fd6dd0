import * as z from 'zod'
import { PRESETS } from '../regime-w/group.ts'

/** How answers to questions are sampled and read; shared by rollouts and evaluation. */
export const answersShape = {
  max_new_tokens: z.number().int().positive().default(512).describe('Token limit of an answer.'),
  marker: z
    .string()
    .trim()
    .min(1)
    .default('####')
    .describe('What stands before the final answer; the last one counts.'),
}

const temperature = z.number().min(0)
const topP = z.number().gt(0).max(1)

export const rolloutsSchema = z.strictObject({
  arms: z
    .number()
    .int()
    .positive()
    .default(8)
    .describe('Answers per question; each arm has seeds of its own.'),
  temperature: z
    .union([temperature, z.array(temperature).min(1)])
    .default(0.7)
    .describe('One for all arms, or a list with one per arm.'),
  top_p: z
    .union([topP, z.array(topP).min(1)])
    .default(1)
    .describe('Nucleus mass in (0, 1]: one for all arms, or a list with one per arm.'),
  ...answersShape,
  preset: z.enum(PRESETS).default('guide').describe('Regime W reward; only "trajectory" sees coherence.'),
  beta_coherence: z.number().min(0).default(0.5).describe('Weight of s_wm in the reward.'),
  beta_agreement: z.number().min(0).default(0.2).describe('Bonus for the one commonest answer.'),
  alpha_length: z.number().min(0).default(0.1).describe('Cost of 100 tokens.'),
})
export type RolloutsConfig = z.infer<typeof rolloutsSchema>

/** Pairs from rollouts; see `buildRolloutPairs`. */
export const rolloutPairsSchema = z.strictObject({
  threshold: z
    .number()
    .min(0)
    .default(0.01)
    .describe('Two correct answers make a pair when their rewards differ by more than this.'),
  max_pairs_per_question: z.number().int().positive().default(16),
})
export type RolloutPairsConfig = z.infer<typeof rolloutPairsSchema>
