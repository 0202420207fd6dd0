import * as z from 'zod'
import { LABELS } from '../logic/truth.ts'

const labelSchema = z.enum(LABELS)
const countSchema = z.number().int().nonnegative()

/** One judged step. */
export const traceStepSchema = z.looseObject({
  step_idx: countSchema,
  thought: z.string(),
  /** The action's payload as written; '' where the step has none. */
  action: z.string(),
  option_type: z.string().nullable(),
  option_args: z.array(z.union([z.number(), z.string()])),
  /** Sound: valid or redundant; for CONCLUDE, warranted. */
  solver_valid: z.boolean(),
  solver_error: z.string().nullable(),
  /** What the Thought claims, several claims separated by "; ". */
  claim: z.string().nullable(),
  /** What option and arguments derive, as a sentence of the problem's language. */
  derived: z.string().nullable(),
  /** A code of `JUDGE_CODES`; `redundant` for a sound step that brings nothing new, null for a valid one. */
  code: z.string().nullable(),
  /** Facts beside the verdict: wrong quotes, repaired articles. */
  notes: z.array(z.object({ code: z.string(), message: z.string() })).optional(),
})
export type TraceStep = z.infer<typeof traceStepSchema>

/** What the judge says of one completion. */
export const judgedTraceSchema = z.looseObject({
  /** What CONCLUDE says, warranted or not. */
  final_answer: labelSchema.nullable(),
  /** The final answer is the gold label. */
  correct: z.boolean(),
  num_steps: countSchema,
  steps: z.array(traceStepSchema),
  /** At least one step, and every step `solver_valid`. */
  all_steps_valid: z.boolean(),
  valid_step_count: countSchema,
  total_step_count: countSchema,
  /** (new valid formulas + a warranted CONCLUDE) / all steps. */
  validity_rate: z.number().min(0).max(1),
  warranted: z.boolean(),
  /** `proof`: the trace derives the conclusion; `solver`: UNKNOWN, certified by the stored entailment. */
  warrant: z.enum(['proof', 'solver']).nullable(),
  /** A CONCLUDE, every step valid, and the conclusion warranted. */
  trace_valid: z.boolean(),
  /** `inconsistent` and `unverifiable` problems are set apart; no trace about them is valid. */
  status: z.enum(['judged', 'inconsistent', 'unverifiable']),
  trace_code: z.enum(['no_conclusion']).nullable(),
})
export type JudgedTrace = z.infer<typeof judgedTraceSchema>

/** One line of `traces.jsonl`. Unknown fields are kept. */
export const traceRecordSchema = judgedTraceSchema.extend({
  problem_id: z.string().min(1),
  label: labelSchema,
  depth: countSchema.optional(),
  premises: z.array(z.string()),
  conclusion: z.string(),
  premises_fol: z.array(z.string()).optional(),
  conclusion_fol: z.string().optional(),
  prompt: z.string(),
  completion: z.string(),
  /** Exactly as sampled; absent where the backend gives no ids. */
  completion_ids: z.array(countSchema).optional(),
  num_tokens: countSchema,
  prompt_tokens: countSchema.optional(),
  finish_reason: z.string(),
  sample_idx: countSchema,
  seed: countSchema,
  /** Fingerprint of the weights that wrote the completion. */
  policy: z.string(),
})
export type TraceRecord = z.infer<typeof traceRecordSchema>

/**
 * A trace written by any system: what `elenchus verify` needs of it. Verdicts that it carries are kept for
 * comparison and never believed, so nothing is demanded of them.
 */
export const foreignTraceSchema = z.looseObject({
  problem_id: z.string().optional(),
  premises: z.array(z.string()),
  conclusion: z.string(),
  premises_fol: z.array(z.string()).optional(),
  conclusion_fol: z.string().optional(),
  label: z.unknown().optional(),
  steps: z.array(
    z.looseObject({
      thought: z.string().nullish(),
      action: z.string().nullish(),
      solver_valid: z.unknown().optional(),
    }),
  ),
  all_steps_valid: z.unknown().optional(),
})
export type ForeignTrace = z.infer<typeof foreignTraceSchema>
