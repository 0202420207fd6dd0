import type { Work, WorkKind } from './protocol/header.ts'
import { Covered } from './under-way.ts'

/** Of one kind of work, all workers together. */
export interface DoneOfAKind {
  readonly tokens: number
  /** What the model itself needs for them; `elenchus_runtime/work.py` says what counts. */
  readonly flop: number
  /** In which any worker served a request that did it. */
  readonly seconds: number
}

export type Done = Readonly<Record<WorkKind, DoneOfAKind>> & {
  /** In which any worker served a request that did any of it. */
  readonly seconds: number
}

interface Tally {
  tokens: number
  flop: number
  readonly covered: Covered
}

function nothing(): Tally {
  return { tokens: 0, flop: 0, covered: new Covered() }
}

/**
 * Adds up what requests say they did. One that failed says nothing, and its time does not count either. Workers that serve
 * at once count once: a rate is of the time that passed, so a worker that has nothing to do lowers it.
 */
export class WorkDone {
  readonly #kinds = { generated: nothing(), trained: nothing(), scored: nothing() }
  readonly #any = new Covered()

  /** Served between two points in seconds; `to` is not before that of any earlier one. */
  add({ kind, tokens, flop }: Work, from: number, to: number): void {
    const tally = this.#kinds[kind]
    tally.tokens += tokens
    tally.flop += flop
    tally.covered.add(from, to)
    this.#any.add(from, to)
  }

  get soFar(): Done {
    const of = ({ tokens, flop, covered }: Tally): DoneOfAKind => ({ tokens, flop, seconds: covered.total })
    const { generated, trained, scored } = this.#kinds
    return {
      generated: of(generated),
      trained: of(trained),
      scored: of(scored),
      seconds: this.#any.total,
    }
  }
}
