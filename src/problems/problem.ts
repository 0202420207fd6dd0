import * as z from 'zod'
import { ENTAILMENTS, LABELS } from '../logic/truth.ts'

const labelSchema = z.enum(LABELS)
const entailmentSchema = z.enum(ENTAILMENTS)

/** One step of a gold proof, in the form that a trace has. */
export const goldStepSchema = z.object({ thought: z.string(), action: z.string() })
export type GoldStep = z.infer<typeof goldStepSchema>

/** A reasoning problem, one line of `data/processed/*.jsonl`. Unknown fields are kept. */
export const problemSchema = z.looseObject({
  problem_id: z.string().min(1),
  /** One sentence each, in the order that a trace's indices 0..n-1 refer to. */
  premises: z.array(z.string()),
  /** The sentence to be decided, without "True or false:". */
  conclusion: z.string().min(1),
  label: labelSchema,
  /** First-order formulas, one per premise; where present, they are what the judge reads. */
  premises_fol: z.array(z.string()).optional(),
  conclusion_fol: z.string().optional(),
  /** Length of the shortest proof in applications of modus ponens ("hops"); absent where nothing can be proved. */
  depth: z.number().int().nonnegative().optional(),
  entailment: entailmentSchema.optional(),
  gold: z.array(goldStepSchema).optional(),
})
export type Problem = z.infer<typeof problemSchema>
