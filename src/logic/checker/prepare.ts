import type { Formula, FormulaStore } from '../formula.ts'
import type { SentenceParser } from '../language/parser.ts'
import { parseTheory, type TheoryText, type Unread } from '../language/theory.ts'
import type { Entailment } from '../truth.ts'

export interface ProblemText extends TheoryText {
  /** What the premises say of the conclusion, computed beforehand; the checker never computes it. */
  readonly entailment?: Entailment | undefined
}

/** A problem ready to be judged, any number of times. Its store grows with what traces derive; keep it for one problem's samples. */
export interface PreparedProblem {
  readonly verifiable: true
  readonly store: FormulaStore
  readonly premises: readonly Formula[]
  readonly query: Formula
  readonly parser: SentenceParser
  readonly entailment: Entailment | null
}

/** A problem with sentences that cannot be read: no step about it is ever valid. */
export interface Unverifiable {
  readonly verifiable: false
  readonly reasons: readonly Unread[]
}

export function prepareProblem(problem: ProblemText): PreparedProblem | Unverifiable {
  const theory = parseTheory(problem)
  if (!theory.ok) return { verifiable: false, reasons: theory.reasons }
  const { store, premises, query, parser } = theory
  return { verifiable: true, store, premises, query, parser, entailment: problem.entailment ?? null }
}
