import type { EvaluationSummary } from '../../evaluation/stage.ts'

/** One row of the table: a policy, how it came about, and what it does on the held-out problems. */
export interface OakRow {
  /** 0 is the SFT model; null for a control. */
  readonly iteration: number | null
  readonly name: string
  /** Fingerprint of the evaluated weights. */
  readonly policy: string
  readonly accuracy: number | null
  readonly step_validity: number | null
  /** Share of the problems labelled TRUE or FALSE whose trace is valid by proof. */
  readonly trace_validity: number | null
  /** Traces sampled and pairs built for the training that led here. */
  readonly traces: number
  readonly pairs: number
  readonly evaluation: EvaluationSummary
}

export interface OakSummary {
  readonly pipeline: 'oak'
  readonly held_out: number
  readonly seed: number
  readonly wall_seconds: number
  readonly iterations: readonly OakRow[]
  readonly controls: readonly OakRow[]
  /** Exact McNemar test on trace validity, first against last iteration. */
  readonly first_to_last: { readonly gained: number; readonly lost: number; readonly p: number } | null
  /** What needs no model: the commonest label, and the solver alone. */
  readonly baselines: { readonly majority_label: number; readonly solver: number }
  /** The same rows on further evaluation sets, by name. */
  readonly also: Readonly<Record<string, readonly OakRow[]>>
}
