import { WORK_KINDS, type Work, type WorkKind } from './protocol/header.ts'

/** Of one kind of work, all workers together. */
export interface DoneOfAKind {
  readonly tokens: number
  /** What the model itself needs for them; `elenchus_runtime/work.py` says what counts. */
  readonly flop: number
  /** That workers spent on the requests which did it. */
  readonly seconds: number
}

export type Done = Readonly<Record<WorkKind, DoneOfAKind>>

const NOTHING: DoneOfAKind = { tokens: 0, flop: 0, seconds: 0 }

/** Adds up what requests say they did. One that failed says nothing, and its time does not count either. */
export class WorkDone {
  readonly #kinds = new Map<WorkKind, DoneOfAKind>()

  add({ kind, tokens, flop }: Work, seconds: number): void {
    const before = this.#kinds.get(kind) ?? NOTHING
    this.#kinds.set(kind, {
      tokens: before.tokens + tokens,
      flop: before.flop + flop,
      seconds: before.seconds + seconds,
    })
  }

  get soFar(): Done {
    const [generated, trained, scored] = WORK_KINDS.map((kind) => this.#kinds.get(kind) ?? NOTHING)
    return { generated: generated!, trained: trained!, scored: scored! }
  }
}
