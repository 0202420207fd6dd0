import * as z from 'zod'

/** One operation of a generated solution. */
export const arithmeticStepSchema = z.object({
  /** What the prose says before the equation: "Ana buys 5 more, so she has". */
  lead: z.string(),
  left: z.number().int(),
  operator: z.enum(['+', '-', '*', '/']),
  right: z.number().int(),
  result: z.number().int(),
  /** What is counted: "apples", "dollars". */
  unit: z.string(),
})
export type ArithmeticStep = z.infer<typeof arithmeticStepSchema>

/** An arithmetic word problem, one line of `gsm8k_{train,test}.jsonl`. Unknown fields are kept. */
export const arithmeticQuestionSchema = z.looseObject({
  question_id: z.string().min(1),
  question: z.string().min(1),
  /** Worked solution that ends with `#### N`. */
  answer: z.string(),
  /** The number N as a canonical string: no separators, no trailing zeros. */
  gold_answer: z.string().min(1),
  /** Generated questions only: their solution, from which any style of answer can be rendered. */
  steps: z.array(arithmeticStepSchema).min(1).optional(),
})
export type ArithmeticQuestion = z.infer<typeof arithmeticQuestionSchema>
