import type { TraceRecord } from './record.ts'

/** Plain counts over a trace file; rates with intervals are the evaluation's matter. */
export interface TraceTotals {
  readonly traces: number
  readonly problems: number
  readonly correct: number
  /** Valid traces, by proof and by the solver's certificate (UNKNOWN). */
  readonly valid_by_proof: number
  readonly valid_by_solver: number
  readonly steps: number
  readonly valid_steps: number
  readonly tokens: number
  /** Texts that another sample of the same problem has too. */
  readonly identical: number
  readonly finish_reasons: Readonly<Record<string, number>>
  /** Steps per code of the judge. */
  readonly codes: Readonly<Record<string, number>>
  readonly inconsistent: number
  readonly unverifiable: number
}

export async function summariseTraces(records: AsyncIterable<TraceRecord>): Promise<TraceTotals> {
  const tally = new TraceTally()
  for await (const record of records) tally.add(record)
  return tally.soFar
}

/** Adds up the records of a trace file, one at a time, in constant memory. */
export class TraceTally {
  readonly #totals = {
    traces: 0,
    correct: 0,
    valid_by_proof: 0,
    valid_by_solver: 0,
    steps: 0,
    valid_steps: 0,
    tokens: 0,
    identical: 0,
    inconsistent: 0,
    unverifiable: 0,
  }
  readonly #finishReasons = new Map<string, number>()
  readonly #codes = new Map<string, number>()
  readonly #problems = new Set<string>()
  /** Samples of a problem stand together, so only the texts of the current problem are kept. */
  #texts = new Set<string>()

  /** In the order of the file. */
  add(record: TraceRecord): void {
    const totals = this.#totals
    if (!this.#problems.has(record.problem_id)) {
      this.#problems.add(record.problem_id)
      this.#texts = new Set()
    }
    if (this.#texts.has(record.completion)) totals.identical++
    this.#texts.add(record.completion)
    totals.traces++
    totals.steps += record.total_step_count
    totals.valid_steps += record.valid_step_count
    totals.tokens += record.num_tokens
    if (record.correct) totals.correct++
    if (record.trace_valid && record.warrant === 'proof') totals.valid_by_proof++
    if (record.trace_valid && record.warrant === 'solver') totals.valid_by_solver++
    if (record.status !== 'judged') totals[record.status]++
    increment(this.#finishReasons, record.finish_reason)
    for (const step of record.steps) if (step.code !== null) increment(this.#codes, step.code)
  }

  get soFar(): TraceTotals {
    return {
      ...this.#totals,
      problems: this.#problems.size,
      finish_reasons: Object.fromEntries(this.#finishReasons),
      codes: Object.fromEntries(this.#codes),
    }
  }
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
