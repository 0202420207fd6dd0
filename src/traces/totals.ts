import { NO_ALIASES, resolveOption, type Aliases } from '../logic/checker/options.ts'
import type { ForeignTrace, JudgedTrace } from './record.ts'

/** What `elenchus verify` prints. */
export interface VerifySummary {
  readonly traces: number
  /** Traces with a warranted CONCLUDE and nothing but valid steps. */
  readonly valid_traces: number
  /** Those of them whose conclusion is proved by the trace itself, not certified by the solver. */
  readonly valid_by_proof: number
  /** Set apart: never valid. */
  readonly unverifiable: number
  readonly inconsistent: number
  readonly steps: number
  readonly valid_steps: number
  /** How often each code of the judge occurred, on steps, as notes and on traces. */
  readonly codes: Readonly<Record<string, number>>
  /** Per option, under its own name; steps without a readable action stand under "(none)". */
  readonly options: Readonly<Record<string, { readonly steps: number; readonly valid: number }>>
  /** Steps for which the file's own `solver_valid` is not ours. */
  readonly disagreements: number
}

/** Adds up verdicts, one trace at a time. */
export class VerdictTotals {
  readonly #aliases: Aliases
  readonly #codes = new Map<string, number>()
  readonly #options = new Map<string, { steps: number; valid: number }>()
  readonly #counts = {
    traces: 0,
    valid_traces: 0,
    valid_by_proof: 0,
    unverifiable: 0,
    inconsistent: 0,
    steps: 0,
    valid_steps: 0,
    disagreements: 0,
  }

  constructor(aliases: Aliases = NO_ALIASES) {
    this.#aliases = aliases
  }

  /** `carried` is the record as it was, with the verdicts of whoever wrote it. */
  add(trace: JudgedTrace, carried: Pick<ForeignTrace, 'steps'>): void {
    const counts = this.#counts
    counts.traces++
    if (trace.trace_valid) counts.valid_traces++
    if (trace.trace_valid && trace.warrant === 'proof') counts.valid_by_proof++
    if (trace.status !== 'judged') counts[trace.status]++
    counts.steps += trace.total_step_count
    counts.valid_steps += trace.valid_step_count
    if (trace.trace_code !== null) this.#count(trace.trace_code)
    for (const [index, step] of trace.steps.entries()) {
      const name = step.option_type === null ? '(none)' : resolveOption(step.option_type, this.#aliases)
      const option = this.#options.get(name) ?? { steps: 0, valid: 0 }
      this.#options.set(name, option)
      option.steps++
      if (step.solver_valid) option.valid++
      if (step.code !== null) this.#count(step.code)
      for (const note of step.notes ?? []) this.#count(note.code)
      const verdict = carried.steps[index]?.solver_valid
      if (typeof verdict === 'boolean' && verdict !== step.solver_valid) counts.disagreements++
    }
  }

  summary(): VerifySummary {
    return {
      ...this.#counts,
      codes: Object.fromEntries(byCount(this.#codes, (count) => count)),
      options: Object.fromEntries(byCount(this.#options, ({ steps }) => steps)),
    }
  }

  #count(code: string): void {
    this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1)
  }
}

/** Entries with the largest count first. */
function byCount<T>(entries: ReadonlyMap<string, T>, count: (value: T) => number): [string, T][] {
  return [...entries].sort(([, a], [, b]) => count(b) - count(a))
}
