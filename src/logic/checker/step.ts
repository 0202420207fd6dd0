import type { Formula } from '../formula.ts'
import type { Label } from '../truth.ts'
import type { Argument } from './bind.ts'

/** One statement of a Thought about what its step derives. `text` is as it stands there. */
export type Claim = { readonly text: string } & (
  | { readonly kind: 'formula'; readonly formula: Formula; readonly repairs: number }
  /** "the answer is FALSE"; only CONCLUDE can be claimed so. */
  | { readonly kind: 'label'; readonly label: Label }
  | { readonly kind: 'unreadable'; readonly reason: string }
)

/** A sentence of a Thought with a line's index behind it; `formula` is null where it cannot be read. */
export interface Quote {
  readonly text: string
  readonly index: number
  readonly formula: Formula | null
}

/** An action as it is written. */
export interface Action {
  readonly name: string
  readonly args: readonly Argument[]
}

/** A step as the checker takes it: text has been read, nothing has been judged. */
export interface ProofStep {
  /** Null where the step has no readable action; `problem` says why. */
  readonly action: Action | null
  readonly problem: string | null
  readonly claims: readonly Claim[]
  readonly quotes: readonly Quote[]
}

/** What the Thought must say of the derived formula. */
export const CLAIM_MODES = ['required', 'if-present', 'ignored'] as const
export type ClaimMode = (typeof CLAIM_MODES)[number]
