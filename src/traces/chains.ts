import * as z from 'zod'
import { judgeChain, type ChainProblem } from '../logic/chains/judge-chain.ts'
import type { JudgedChain } from '../logic/chains/verdict.ts'
import type { Entailment } from '../logic/truth.ts'
import type { Problem } from '../problems/problem.ts'
import { idField, labelOf, splitSentences } from '../problems/readers/fields.ts'

/**
 * A chain of thought without options, written by any system: what `elenchus verify --style sentences` needs of it.
 * Unknown fields are kept.
 */
export const foreignChainSchema = z.looseObject({
  problem_id: idField.optional(),
  premises: z.array(z.string()).optional(),
  /** The premises as one paragraph, where there are no `premises`. */
  context: z.string().optional(),
  conclusion: z.string().optional(),
  /** The conclusion as a question, where there is no `conclusion`. */
  query: z.string().optional(),
  premises_fol: z.array(z.string()).optional(),
  conclusion_fol: z.string().optional(),
  label: z.unknown().optional(),
  completion: z.string(),
})
export type ForeignChain = z.infer<typeof foreignChainSchema>

/** The schema of chains whose problems may stand elsewhere: each names one of them, or brings its own. */
export function chainSchema(problems: ReadonlyMap<string, Problem>): z.ZodType<ForeignChain> {
  return foreignChainSchema.superRefine((chain, context) => {
    if (chainProblem(chain, problems) !== null) return
    const [missing, other] =
      (chain.premises ?? chain.context) ? ['conclusion', 'query'] : ['premises', 'context']
    const message = `A chain needs "${missing}" or "${other}", or the problem_id of a listed problem.`
    context.addIssue({ code: 'custom', path: [missing], message })
  })
}

/** The problem that a chain is about, the listed one first; null if it says too little. */
export function chainProblem(
  chain: ForeignChain,
  problems: ReadonlyMap<string, Problem>,
): ChainProblem | null {
  const listed = chain.problem_id === undefined ? undefined : problems.get(chain.problem_id)
  if (listed !== undefined) return listed
  const premises = chain.premises ?? (chain.context === undefined ? undefined : splitSentences(chain.context))
  const conclusion = chain.conclusion ?? chain.query
  if (premises === undefined || conclusion === undefined) return null
  const { premises_fol, conclusion_fol, label } = chain
  const isLabel = typeof label === 'string' || typeof label === 'boolean'
  return { premises, conclusion, premises_fol, conclusion_fol, label: isLabel ? labelOf(label) : undefined }
}

/** A chain's record with our verdicts; whatever it carried under these names is replaced. */
export type ChainRecord = ForeignChain &
  JudgedChain['verdicts'] &
  JudgedChain['sets'] & {
    readonly status: JudgedChain['status']
    readonly final_answer: JudgedChain['answer']
    readonly steps: readonly ({ readonly step_idx: number } & JudgedChain['steps'][number])[]
  }

/** What `elenchus verify --style sentences` prints: chains per verdict, and sentences that nobody can read. */
export interface ChainSummary {
  readonly chains: number
  readonly strict: number
  readonly with_skip: number
  readonly with_non_atomic: number
  readonly with_both: number
  /** Sentences, not chains. */
  readonly unparseable: number
  readonly steps: number
  readonly correct_steps: number
  readonly skip_steps: number
  readonly non_atomic_steps: number
  readonly incorrect_steps: number
  /** Chains whose right answer is known, and those of them that give it. */
  readonly labelled: number
  readonly label_correct: number
  /** Set apart: nothing about them is correct. */
  readonly unverifiable: number
  readonly inconsistent: number
}

/** Judges chains of any origin, one at a time, and adds up what it finds. */
export class ChainVerifier {
  readonly #counts = {
    chains: 0,
    strict: 0,
    with_skip: 0,
    with_non_atomic: 0,
    with_both: 0,
    unparseable: 0,
    steps: 0,
    correct_steps: 0,
    skip_steps: 0,
    non_atomic_steps: 0,
    incorrect_steps: 0,
    labelled: 0,
    label_correct: 0,
    unverifiable: 0,
    inconsistent: 0,
  }

  /** `entailment` is what the premises say of the conclusion; what a record carries is not believed. */
  judge(chain: ForeignChain, problem: ChainProblem, entailment?: Entailment): ChainRecord {
    const judged = judgeChain({ ...problem, entailment }, chain.completion)
    this.#add(judged)
    const { status, verdicts, sets, answer } = judged
    const steps = judged.steps.map((step, index) => Object.assign({ step_idx: index }, step))
    return { ...chain, status, final_answer: answer, ...verdicts, ...sets, steps }
  }

  get summary(): ChainSummary {
    return { ...this.#counts }
  }

  #add({ status, verdicts, steps, sets }: JudgedChain): void {
    const counts = this.#counts
    counts.chains++
    for (const name of ['strict', 'with_skip', 'with_non_atomic', 'with_both'] as const) {
      if (verdicts[name]) counts[name]++
    }
    counts.steps += steps.length
    for (const name of ['correct_steps', 'skip_steps', 'non_atomic_steps', 'incorrect_steps'] as const) {
      counts[name] += sets[name].length
    }
    counts.unparseable += sets.unparseable_steps.length
    if (verdicts.label_correct !== null) counts.labelled++
    if (verdicts.label_correct === true) counts.label_correct++
    if (status !== 'judged') counts[status]++
  }
}
