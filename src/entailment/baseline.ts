import { parseTheory, type TheoryText } from '../logic/language/theory.ts'
import type { Entailment, Label } from '../logic/truth.ts'
import type { Decision, DecideOptions, Entailer } from './entailer.ts'

/** The fields of a problem that the baseline reads. */
export interface BaselineProblem extends TheoryText {
  readonly problem_id: string
  readonly label: Label
}

/** What the solver alone makes of one problem. */
export interface BaselineOutcome {
  readonly problem_id: string
  readonly label: Label
  readonly verdict: 'right' | 'wrong' | 'undecided' | 'inconsistent' | 'unverifiable'
  /** The label that the solver gives; null where it gives none. */
  readonly answer: Label | null
  readonly method?: Decision['method']
  /** Why there is no answer. */
  readonly reason?: string
}

/** Counts over problems: `right + wrong + undecided + inconsistent + unverifiable = problems`. */
export interface BaselineSummary {
  readonly problems: number
  readonly right: number
  readonly wrong: number
  readonly undecided: number
  /** Premises that contradict each other: they prove every label, so they are set apart. */
  readonly inconsistent: number
  readonly unverifiable: number
  readonly seconds: number
}

const ANSWERS: Partial<Record<Entailment, Label>> = { proved: 'TRUE', refuted: 'FALSE', unknown: 'UNKNOWN' }

/** Reads one problem and decides it; nothing that could not be read is answered. */
export async function solveProblem(
  problem: BaselineProblem,
  entailer: Entailer,
  limits?: DecideOptions,
): Promise<BaselineOutcome> {
  const { problem_id, label } = problem
  const theory = parseTheory(problem)
  if (!theory.ok) {
    const [unread] = theory.reasons
    const where = unread?.index === 'conclusion' ? 'The conclusion' : `Premise [${unread?.index}]`
    const reason = `${where}, character ${unread?.position}: ${unread?.message}`
    return { problem_id, label, verdict: 'unverifiable', answer: null, reason }
  }
  const { entailment, method, reason } = await entailer.decide(theory, limits)
  const answer = ANSWERS[entailment] ?? null
  if (answer !== null) {
    return { problem_id, label, verdict: answer === label ? 'right' : 'wrong', answer, method }
  }
  return {
    problem_id,
    label,
    verdict: entailment === 'inconsistent' ? 'inconsistent' : 'undecided',
    answer: null,
    method,
    reason: reason ?? 'The premises contradict each other.',
  }
}

export function summariseBaseline(outcomes: readonly BaselineOutcome[], seconds: number): BaselineSummary {
  const count = (verdict: BaselineOutcome['verdict']): number =>
    outcomes.filter((outcome) => outcome.verdict === verdict).length
  return {
    problems: outcomes.length,
    right: count('right'),
    wrong: count('wrong'),
    undecided: count('undecided'),
    inconsistent: count('inconsistent'),
    unverifiable: count('unverifiable'),
    seconds,
  }
}

/** What the solver alone answers, in the order of the problems. */
export async function runBaseline(
  problems: readonly BaselineProblem[],
  entailer: Entailer,
  limits?: DecideOptions,
): Promise<{ readonly summary: BaselineSummary; readonly outcomes: readonly BaselineOutcome[] }> {
  const start = performance.now()
  const outcomes: BaselineOutcome[] = []
  for (const problem of problems) outcomes.push(await solveProblem(problem, entailer, limits))
  return { summary: summariseBaseline(outcomes, (performance.now() - start) / 1000), outcomes }
}
