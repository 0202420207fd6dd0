import * as z from 'zod'

/**
 * What a pair teaches. From traces: `trace` compares whole traces of one problem, `step` two traces that
 * share a prefix of ids and part at a valid and an invalid step. From rollouts: `correctness` is a correct
 * answer against a wrong one, `coherence` two correct ones whose reward differs in more than length,
 * `length` two correct ones that the reward can tell apart by length only (DESIGN section 5).
 */
export const PAIR_TYPES = ['trace', 'step', 'correctness', 'coherence', 'length'] as const
export type PairType = (typeof PAIR_TYPES)[number]

/** Token ids exactly as the engine sampled them; never the result of tokenising the text again. */
const idsSchema = z.array(z.number().int().nonnegative())

/**
 * A pair of completions of one prompt, one line of `preference_pairs.jsonl` (traces, with `problem_id`) or
 * of `abel_coherence_preferences.jsonl` (rollouts, with `question_id`). Unknown fields are kept.
 */
export const preferencePairSchema = z
  .looseObject({
    problem_id: z.string().min(1).optional(),
    question_id: z.string().min(1).optional(),
    /** The prompt that generated both sides. */
    prompt: z.string(),
    chosen: z.string(),
    rejected: z.string(),
    /** Absent on both sides where the backend gave no ids; see `retokenised`. */
    chosen_ids: idsSchema.optional(),
    rejected_ids: idsSchema.optional(),
    /** The trainer has to tokenise the texts itself, because there are no sampled ids. */
    retokenised: z.boolean().optional(),
    chosen_score: z.number(),
    rejected_score: z.number(),
    /** chosen_score - rejected_score. */
    margin: z.number(),
    pair_type: z.enum(PAIR_TYPES),
    /** Fingerprint of the policy that generated both sides; what "fresh traces" is checked against. */
    policy: z.string().optional(),
    /** Tokens of the prompt, as the engine counted them. */
    prompt_tokens: z.number().int().positive().optional(),
  })
  .refine((pair) => (pair.problem_id === undefined) !== (pair.question_id === undefined), {
    error: 'a pair names either its problem_id or its question_id',
  })
  .refine((pair) => (pair.chosen_ids === undefined) === (pair.rejected_ids === undefined), {
    error: 'chosen_ids and rejected_ids are both present or both absent',
  })
export type PreferencePair = z.infer<typeof preferencePairSchema>
