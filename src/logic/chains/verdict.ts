import type { Label } from '../truth.ts'

/** What became of one step. */
export type ChainStepVerdict = 'correct' | 'skip' | 'non_atomic' | 'incorrect' | 'unparseable'

export interface ChainStep {
  /** The sentence, or the half of "Since A, B", that the step is read from. */
  readonly text: string
  readonly verdict: ChainStepVerdict
  /** Why it is not correct; null if it is. */
  readonly message: string | null
}

/** The verdicts of the official judge. False wherever the goal is not reached, whatever the reason. */
export interface ChainVerdicts {
  /** The goal is reached by correct steps only. */
  readonly strict: boolean
  /** ... by correct steps and skip steps. */
  readonly with_skip: boolean
  /** ... by correct steps and non-atomic steps. */
  readonly with_non_atomic: boolean
  /** ... by all three. */
  readonly with_both: boolean
  /** Whether the answer given is the right one; no answer is not right. Null where the right one is not
   * known, and for "Prove: ..." without a label. */
  readonly label_correct: boolean | null
}

/** Indices into the steps, from 0, ascending. */
export interface ChainIndexSets {
  readonly correct_steps: readonly number[]
  readonly skip_steps: readonly number[]
  readonly non_atomic_steps: readonly number[]
  /** Neither correct nor skip nor non-atomic, `unparseable_steps` included. */
  readonly incorrect_steps: readonly number[]
  /** Among the incorrect ones, universal rules. */
  readonly invalid_steps: readonly number[]
  readonly unparseable_steps: readonly number[]
  /** Beside their verdict: rules that apply to the last correct step, but lead away from the goal. */
  readonly wrong_branch_steps: readonly number[]
}

export interface JudgedChain {
  /** Chains about `unverifiable` and `inconsistent` problems are set apart: nothing about them is correct. */
  readonly status: 'judged' | 'unverifiable' | 'inconsistent'
  readonly verdicts: ChainVerdicts
  readonly steps: readonly ChainStep[]
  readonly sets: ChainIndexSets
  /** The answer that the text ends with; null where it gives none. */
  readonly answer: Label | null
}
