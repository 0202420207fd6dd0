import type { Limits } from './limits.ts'
import type { Pong } from './protocol/control.ts'

/** What a watched worker has done wrong: a sentence, to follow "The worker". */
export type Complaint = string

/**
 * Tells a worker that lives and progresses from one that does not.
 *
 * *Alive* is any message within a limit; *progressing* is a growing beat of the compute loop while requests
 * are open. Time is counted in ticks of our own timer, so that a pause of this process (a busy event loop, a
 * sleeping laptop) is never held against the worker.
 */
export class Watch {
  readonly #limits: Limits
  readonly #tickS: number
  #silentTicks = 0
  #unreachableTicks = 0
  #stuckTicks = 0
  #last: Pong | null = null

  constructor(limits: Limits, tickS: number) {
    this.#limits = limits
    this.#tickS = tickS
  }

  /** The phase that the worker last reported. */
  get phase(): string {
    return this.#last?.phase ?? 'import'
  }

  /** Any message came. */
  heard(): void {
    this.#silentTicks = 0
    this.#unreachableTicks = 0
  }

  /** Something that only the compute loop sends came. */
  progressed(): void {
    this.#stuckTicks = 0
  }

  pong(pong: Pong): void {
    const last = this.#last
    if (last?.beat !== pong.beat || last.phase !== pong.phase || last.busy !== pong.busy) this.progressed()
    this.#last = pong
  }

  /** One interval has passed. `reachable`: the last ping could be sent. `working`: requests are open. */
  tick(reachable: boolean, working: boolean): Complaint | null {
    const { silenceS, unreachableS, phaseS, otherPhaseS } = this.#limits
    this.#silentTicks += 1
    this.#unreachableTicks = reachable ? 0 : this.#unreachableTicks + 1
    if (this.#unreachableTicks * this.#tickS > unreachableS) {
      return `cannot be reached for ${unreachableS} s although its process lives (stopped, perhaps)`
    }
    if (this.#silentTicks * this.#tickS > silenceS) return `has been silent for ${silenceS} s`
    // Idle with open requests is the delivery's business: it repeats them.
    const computing = working && this.#last !== null && (this.#last.busy !== null || this.phase === 'import')
    this.#stuckTicks = computing ? this.#stuckTicks + 1 : 0
    const limit = phaseS[this.phase] ?? otherPhaseS
    if (this.#stuckTicks * this.#tickS > limit) {
      return `has made no progress for ${limit} s in phase "${this.phase}"`
    }
    return null
  }
}
