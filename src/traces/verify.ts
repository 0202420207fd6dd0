import type { CheckOptions } from '../logic/checker/check.ts'
import {
  prepareProblem,
  type PreparedProblem,
  type ProblemText,
  type Unverifiable,
} from '../logic/checker/prepare.ts'
import type { TheoryText } from '../logic/language/theory.ts'
import { LABELS, type Entailment, type Label } from '../logic/truth.ts'
import { judgeCompletion, judgeSteps, toRecord } from './judge.ts'
import type { ForeignTrace, JudgedTrace } from './record.ts'
import { VerdictTotals, type VerifySummary } from './totals.ts'

/**
 * Judges one proof, written as the text of a trace. For embedders: no model, no files, no Python.
 *
 * @example verifyProof({ premises: ['Max is a cat.'], conclusion: 'Max is a cat.' }, text).trace_valid
 */
export function verifyProof(
  problem: ProblemText & { readonly label?: Label | undefined },
  text: string,
  options: Partial<CheckOptions> = {},
): JudgedTrace {
  return judgeCompletion(prepareProblem(problem), problem.label ?? null, text, options)
}

export interface VerifyOptions extends Partial<CheckOptions> {
  /** Problems by id; where a trace names one of them, it is judged against that, not against its own copy. */
  readonly problems?: ReadonlyMap<string, ProblemText & { readonly label?: Label | undefined }>
  /** Entailment of a problem that has none stored; an entailment that a trace carries is not believed. */
  readonly entailmentOf?: (problem: TheoryText) => Entailment | undefined
}

/** Judges trace records of any origin, one at a time, and adds up what it finds. */
export class TraceVerifier {
  readonly #options: VerifyOptions
  readonly #totals: VerdictTotals
  /** Traces of a problem usually stand together. */
  #last: { readonly key: string; readonly problem: PreparedProblem | Unverifiable } | null = null

  constructor(options: VerifyOptions = {}) {
    this.#options = options
    this.#totals = new VerdictTotals(options.aliases)
  }

  /** The record with our verdicts in the place of those that it carried; its other fields stay. */
  judge(record: ForeignTrace): ForeignTrace & JudgedTrace {
    const { problems } = this.#options
    const listed = record.problem_id === undefined ? undefined : problems?.get(record.problem_id)
    const problem = this.#prepare(listed ?? record, listed?.entailment)
    const written = record.steps.map(({ thought, action }) => ({
      thought: thought ?? '',
      action: action ?? '',
    }))
    const label = listed?.label ?? readLabel(record.label)
    const judged = toRecord(problem, label, judgeSteps(problem, written, this.#options))
    this.#totals.add(judged, record)
    const steps = judged.steps.map((step, index) => Object.assign({}, record.steps[index], step))
    return { ...record, ...judged, steps }
  }

  get summary(): VerifySummary {
    return this.#totals.summary()
  }

  #prepare(theory: TheoryText, stored: Entailment | undefined): PreparedProblem | Unverifiable {
    const { premises, conclusion, premises_fol, conclusion_fol } = theory
    const text: TheoryText = { premises, conclusion, premises_fol, conclusion_fol }
    const key = JSON.stringify([text, stored])
    if (this.#last?.key !== key) {
      const entailment = stored ?? this.#options.entailmentOf?.(text)
      this.#last = { key, problem: prepareProblem({ ...text, entailment }) }
    }
    return this.#last.problem
  }
}

/** The whole of {@link TraceVerifier} for records that fit into memory. */
export function verifyTraces(
  records: Iterable<ForeignTrace>,
  options: VerifyOptions = {},
): { readonly judged: (ForeignTrace & JudgedTrace)[]; readonly summary: VerifySummary } {
  const verifier = new TraceVerifier(options)
  const judged = [...records].map((record) => verifier.judge(record))
  return { judged, summary: verifier.summary }
}

function readLabel(value: unknown): Label | null {
  if (typeof value !== 'string') return null
  const upper = value.toUpperCase()
  return upper === 'UNCERTAIN' ? 'UNKNOWN' : (LABELS.find((label) => label === upper) ?? null)
}
