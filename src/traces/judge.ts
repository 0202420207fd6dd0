import { check, DEFAULT_CHECK, type CheckOptions } from '../logic/checker/check.ts'
import type { Judgement, StepJudgement } from '../logic/checker/judgement.ts'
import { CONCLUDE, resolveOption } from '../logic/checker/options.ts'
import {
  prepareProblem,
  type PreparedProblem,
  type ProblemText,
  type Unverifiable,
} from '../logic/checker/prepare.ts'
import type { Action, Claim, ProofStep } from '../logic/checker/step.ts'
import type { Formula } from '../logic/formula.ts'
import { renderFol } from '../logic/language/render-fol.ts'
import { renderSentence } from '../logic/language/render.ts'
import type { Label } from '../logic/truth.ts'
import { parseStep, parseTrace, type ParsedStep, type WrittenStep } from './parse.ts'
import type { JudgedTrace, TraceStep } from './record.ts'
import { readThought, type ThoughtKind } from './thought.ts'

/** A trace with its verdicts, before it becomes a record. */
export interface Judged {
  /** Steps up to and including CONCLUDE, one for each step of the judgement. */
  readonly steps: readonly ParsedStep[]
  readonly claims: readonly (readonly Claim[])[]
  readonly judgement: Judgement
}

/** Judges the text of a completion. Linear in its length; see {@link check} for the guarantees. */
export function judgeText(
  problem: PreparedProblem | Unverifiable,
  completion: string,
  options: Partial<CheckOptions> = {},
): Judged {
  const settings = { ...DEFAULT_CHECK, ...options }
  return judgeParsed(problem, parseTrace(completion, settings.aliases), settings)
}

/** Judges steps that are stored one by one, as trace files have them. */
export function judgeSteps(
  problem: PreparedProblem | Unverifiable,
  steps: readonly WrittenStep[],
  options: Partial<CheckOptions> = {},
): Judged {
  const settings = { ...DEFAULT_CHECK, ...options }
  return judgeParsed(
    problem,
    steps.map((step) => parseStep(step, settings.aliases)),
    settings,
  )
}

/** The judged part of a trace record. `label` is the gold label, null where none is known. */
export function judgeCompletion(
  problem: PreparedProblem | Unverifiable,
  label: Label | null,
  completion: string,
  options: Partial<CheckOptions> = {},
): JudgedTrace {
  return toRecord(problem, label, judgeText(problem, completion, options))
}

/** Problems kept ready between calls of one judge; samples of a problem arrive close together. */
const PREPARED_LIMIT = 256

/** A problem that has a gold label. */
export interface LabelledProblem extends ProblemText {
  readonly label: Label
}

/**
 * A judge for completions in any order of problems. It prepares each problem object once, and remembers
 * nothing else: a verdict depends on the problem and the text alone.
 */
export function createJudge(
  options: Partial<CheckOptions> = {},
): (problem: LabelledProblem, completion: string) => JudgedTrace {
  const prepared = new Map<LabelledProblem, PreparedProblem | Unverifiable>()
  return (problem, completion) => {
    let ready = prepared.get(problem)
    if (ready === undefined) {
      if (prepared.size >= PREPARED_LIMIT) prepared.clear()
      prepared.set(problem, (ready = prepareProblem(problem)))
    }
    return judgeCompletion(ready, problem.label, completion, options)
  }
}

function judgeParsed(
  problem: PreparedProblem | Unverifiable,
  steps: readonly ParsedStep[],
  options: CheckOptions,
): Judged {
  const claims: (readonly Claim[])[] = []
  const proofSteps = steps.map((step): ProofStep => {
    const { option, thought } = step
    if (option === null || !problem.verifiable || options.claims === 'ignored') {
      claims.push([])
      return { action: option, problem: step.problem, claims: [], quotes: [] }
    }
    const read = readThought(thought, kindOf(option, options), problem.parser)
    claims.push(read.claims)
    return { action: option, problem: null, claims: read.claims, quotes: read.quotes }
  })
  const judgement = check(problem, proofSteps, options)
  return { steps: steps.slice(0, judgement.steps.length), claims, judgement }
}

function kindOf(option: Action, { aliases }: CheckOptions): ThoughtKind {
  const name = resolveOption(option.name, aliases)
  if (name === CONCLUDE) return 'conclusion'
  return name === 'ASSUME' ? 'assumption' : 'derivation'
}

/** Verdicts in the form that trace files have. */
export function toRecord(
  problem: PreparedProblem | Unverifiable,
  label: Label | null,
  { steps, claims, judgement }: Judged,
): JudgedTrace {
  const total = judgement.steps.length
  return {
    final_answer: judgement.label,
    correct: judgement.label !== null && judgement.label === label,
    num_steps: total,
    steps: judgement.steps.map((verdict, index) =>
      toStep(problem, index, steps[index], claims[index] ?? [], verdict),
    ),
    all_steps_valid: total > 0 && judgement.validSteps === total,
    valid_step_count: judgement.validSteps,
    total_step_count: total,
    validity_rate: judgement.validityRate,
    warranted: judgement.warrant !== null,
    warrant: judgement.warrant,
    trace_valid: judgement.valid,
    status: judgement.status,
    trace_code: judgement.traceCode,
  }
}

function toStep(
  problem: PreparedProblem | Unverifiable,
  index: number,
  step: ParsedStep | undefined,
  claims: readonly Claim[],
  judgement: StepJudgement,
): TraceStep {
  const { verdict, code, message, derived, notes } = judgement
  return {
    step_idx: index,
    thought: step?.thought ?? '',
    action: step?.action ?? '',
    option_type: step?.option?.name ?? null,
    option_args: [...(step?.option?.args ?? [])],
    solver_valid: verdict !== 'invalid',
    solver_error: verdict === 'invalid' ? message : null,
    claim: claims.length === 0 ? null : claims.map(({ text }) => text).join('; '),
    derived: derived === null || !problem.verifiable ? null : render(problem, derived),
    code,
    ...(notes.length > 0 ? { notes: notes.map((note) => ({ code: note.code, message: note.message })) } : {}),
  }
}

function render({ parser }: PreparedProblem, formula: Formula): string {
  return renderSentence(formula, parser.language) ?? renderFol(formula)
}
