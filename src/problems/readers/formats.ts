import * as z from 'zod'
import { problemSchema } from '../problem.ts'
import { isRecord } from './document.ts'
import { idField, labelField, labelOf, splitSentences, statementOf } from './fields.ts'

/** A problem that its file may not have named. */
const draftSchema = problemSchema.partial({ problem_id: true })
export type Draft = z.infer<typeof draftSchema>

export interface Format {
  /** What a person calls it, and the fields by which it is known. */
  readonly description: string
  readonly recognises: (row: Readonly<Record<string, unknown>>) => boolean
  /** Reads one row; its issues carry the path of the field at fault. */
  readonly row: z.ZodType<Draft>
}

/** Our own record; labels in any spelling. */
const problemRow = z
  .looseObject({ label: labelField })
  .transform((row): unknown => row)
  .pipe(problemSchema)

/** The official generator's `run_experiment.py --model-name json`. */
const officialRow = z
  .object({
    test_example: z.object({
      question: z.string().min(1),
      query: z
        .string()
        .regex(/^(?:True or false|Prove): ./, 'begins with neither "True or false: " nor "Prove: "'),
      chain_of_thought: z.array(z.string()),
      answer: labelField.optional(),
    }),
  })
  .transform(({ test_example: example }, context): Draft => {
    const premises = splitSentences(example.question)
    const draft = {
      premises,
      conclusion: statementOf(example.query),
      chain_of_thought: example.chain_of_thought,
    }
    // A proofs-only problem has no answer: what is to be proved is true.
    if (example.query.startsWith('Prove:')) return { ...draft, label: example.answer ?? 'TRUE' }
    if (example.answer === undefined) {
      context.addIssue({ code: 'custom', path: ['test_example', 'answer'], message: 'is missing' })
      return z.NEVER
    }
    const depth = hopsOf(example.chain_of_thought, premises)
    return { ...draft, label: example.answer, ...(depth === undefined ? {} : { depth }) }
  })

/** Hops of a chain "fact, rule, derived, rule, derived, ..."; undefined if it is not one. */
function hopsOf(chain: readonly string[], premises: readonly string[]): number | undefined {
  const given = new Set(premises)
  const alternates = chain.every(
    (sentence, index) => given.has(sentence) === (index === 0 || index % 2 === 1),
  )
  return alternates && chain.length % 2 === 1 ? (chain.length - 1) / 2 : undefined
}

/** Logic-LLM: a lettered choice among statements of truth. ProofWriter and FOLIO circulate in it too. */
const choiceRow = z
  .object({
    id: idField,
    context: z.string().min(1),
    question: z.string().min(1),
    options: z.array(z.string()).min(2),
    answer: z.string().min(1),
  })
  .transform((row, context): Draft => {
    const option = row.options.find((text) => text.startsWith(`${row.answer})`))
    const label = option === undefined ? undefined : labelOf(option.slice(row.answer.length + 1))
    if (label === undefined) {
      const message = `"${row.answer}" names no option that is a label, in ${JSON.stringify(row.options)}`
      context.addIssue({ code: 'custom', path: ['answer'], message })
      return z.NEVER
    }
    return {
      problem_id: row.id,
      premises: splitSentences(row.context),
      conclusion: statementOf(row.question),
      label,
    }
  })

/** FOLIO; older releases join the premises by line breaks. */
const linesField = z.union([z.array(z.string()), z.string().transform((text) => text.split('\n'))])
const folioRow = z
  .object({
    example_id: idField.optional(),
    premises: linesField,
    'premises-FOL': linesField.optional(),
    conclusion: z.string().trim().min(1),
    'conclusion-FOL': z.string().trim().min(1).optional(),
    label: labelField,
  })
  .transform((row): Draft => {
    const { sentences, formulas } = withoutBlanks(row.premises, row['premises-FOL'])
    return {
      ...(row.example_id === undefined ? {} : { problem_id: `folio-${row.example_id}` }),
      premises: sentences,
      ...(formulas === undefined ? {} : { premises_fol: formulas }),
      conclusion: row.conclusion,
      ...(row['conclusion-FOL'] === undefined ? {} : { conclusion_fol: row['conclusion-FOL'] }),
      label: row.label,
    }
  })

/** Leaves out the places where neither a sentence nor a formula stands, so that the others stay side by side. */
function withoutBlanks(
  premises: readonly string[],
  formulas: readonly string[] | undefined,
): { sentences: string[]; formulas: string[] | undefined } {
  const isBlank = (index: number): boolean =>
    (premises[index] ?? '').trim() === '' && (formulas?.[index] ?? '').trim() === ''
  const kept = (texts: readonly string[]): string[] =>
    texts.filter((_, index) => !isBlank(index)).map((text) => text.trim())
  return { sentences: kept(premises), formulas: formulas === undefined ? undefined : kept(formulas) }
}

/** Rows of the hub's PrOntoQA sets: the premises as one paragraph, a query, an answer. */
const questionRow = z
  .object({
    id: idField.optional(),
    context: z.string().optional(),
    question: z.string().optional(),
    query: z.string().min(1),
    answer: labelField,
  })
  .transform((row, context): Draft => {
    const paragraph = row.context ?? row.question
    if (paragraph === undefined || paragraph.trim() === '') {
      context.addIssue({ code: 'custom', path: ['context'], message: 'is missing, and so is "question"' })
      return z.NEVER
    }
    return {
      ...(row.id === undefined ? {} : { problem_id: row.id }),
      premises: splitSentences(paragraph),
      conclusion: statementOf(row.query),
      label: row.answer,
    }
  })

/** In the order in which they are tried. */
export const FORMAT_NAMES = [
  'prontoqa-official',
  'problems',
  'logic-llm',
  'folio',
  'question-answer',
] as const
export type FormatName = (typeof FORMAT_NAMES)[number]

/** Every format we read. */
export const FORMATS: Readonly<Record<FormatName, Format>> = {
  'prontoqa-official': {
    description:
      'official PrOntoQA JSON ("exampleN": {"test_example": {question, query, chain_of_thought, answer}})',
    recognises: (row) => isRecord(row['test_example']),
    row: officialRow,
  },
  problems: {
    description: 'problem records (problem_id, premises, conclusion, label)',
    recognises: (row) => has(row, 'problem_id', 'premises', 'conclusion'),
    row: problemRow,
  },
  'logic-llm': {
    description: 'Logic-LLM lists, also of ProofWriter (id, context, question, options, answer)',
    recognises: (row) => has(row, 'context', 'question', 'options', 'answer'),
    row: choiceRow,
  },
  folio: {
    description: 'FOLIO (premises, premises-FOL, conclusion, conclusion-FOL, label)',
    recognises: (row) => has(row, 'premises', 'conclusion', 'label'),
    row: folioRow,
  },
  'question-answer': {
    description: 'question and answer rows (context or question, query, answer)',
    recognises: (row) => has(row, 'query', 'answer') && (has(row, 'context') || has(row, 'question')),
    row: questionRow,
  },
}

function has(row: Readonly<Record<string, unknown>>, ...fields: string[]): boolean {
  return fields.every((field) => row[field] !== undefined)
}
