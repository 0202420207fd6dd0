import type { Formula } from '../formula.ts'
import type { IndexSet } from '../index-set.ts'
import type { Label } from '../truth.ts'
import type { JudgeCode } from './codes.ts'

/** `redundant`: sound, but nothing new. */
export type Verdict = 'valid' | 'redundant' | 'invalid'

/** Which authority a warranted conclusion has: a proof in the trace, or the entailment stored with the problem. */
export type Warrant = 'proof' | 'solver'

/** Something beside the verdict that a person should know. */
export interface Note {
  readonly code: JudgeCode
  readonly message: string
}

export interface StepJudgement {
  /** The index of the line that the step owns; null for CONCLUDE. */
  readonly index: number | null
  readonly verdict: Verdict
  /** Null for a valid step. */
  readonly code: JudgeCode | null
  readonly message: string | null
  /** What option and arguments derive; also present where only the claim is wrong. */
  readonly derived: Formula | null
  /** Premises and assumptions that the derived formula rests on. */
  readonly restsOn: IndexSet
  readonly notes: readonly Note[]
}

/** `inconsistent` and `unverifiable` problems are set apart: no trace about them is valid. */
export type ProblemStatus = 'judged' | 'inconsistent' | 'unverifiable'

export interface Judgement {
  readonly status: ProblemStatus
  readonly steps: readonly StepJudgement[]
  /** What CONCLUDE says; null without a readable CONCLUDE. */
  readonly label: Label | null
  /** Null where the conclusion is not warranted. */
  readonly warrant: Warrant | null
  /** A CONCLUDE, every step valid or redundant, and the conclusion warranted. */
  readonly valid: boolean
  /** Steps that are valid or redundant, a warranted CONCLUDE included. */
  readonly validSteps: number
  /** (new formulas whose assumptions were all discharged + a warranted CONCLUDE) / all steps; 0 without steps. In [0, 1]. */
  readonly validityRate: number
  /** What is wrong with the trace beyond its steps. */
  readonly traceCode: Extract<JudgeCode, 'no_conclusion'> | null
}
