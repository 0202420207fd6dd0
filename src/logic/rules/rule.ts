import { refuse, type Refusal } from '../checker/codes.ts'
import type { Derived, Line, Proof } from '../checker/proof.ts'
import type { Formula } from '../formula.ts'

/** 0 is the left operand (or left to right), 1 the right one (or right to left). */
export type Side = 0 | 1

/** A predicate as a person writes it: "red" and "is_red" name the same one where the language says so. */
export interface PredicateName {
  readonly text: string
  readonly names: (predicate: string) => boolean
}

/** What an argument is, once its index has been looked up and its text has been read. */
export interface ArgumentTypes {
  /** Any line. */
  line: Line
  /** A line made by ASSUME. */
  assumption: Line
  /** The name of a constant. */
  constant: string
  formula: Formula
  /** 0 or 'left', 1 or 'right'. */
  side: Side
  /** 0 or 'forward' (left to right), 1 or 'backward'. */
  direction: Side
  predicate: PredicateName
}
export type ArgumentKind = keyof ArgumentTypes

export type Outcome = Derived | Refusal

/** One signature of a rule and what it derives. An option with several forms has one per number of arguments. */
export interface Form {
  readonly signature: readonly ArgumentKind[]
  /** `args` has been bound to the signature. */
  readonly apply: (proof: Proof, args: readonly ArgumentTypes[ArgumentKind][]) => Outcome
}

type Bound<S extends readonly ArgumentKind[]> = { readonly [K in keyof S]: ArgumentTypes[S[K]] }

export function form<const S extends readonly ArgumentKind[]>(
  signature: S,
  apply: (proof: Proof, ...args: Bound<S>) => Outcome,
): Form {
  // The binder makes the arguments from this very signature; the tuple type cannot be kept in a table of rules.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { signature, apply: (proof, args) => apply(proof, ...(args as unknown as Bound<S>)) }
}

export function mismatch(message: string): Refusal {
  return refuse('rule_mismatch', message)
}

export function isRefusal(outcome: object): outcome is Refusal {
  return 'code' in outcome
}
