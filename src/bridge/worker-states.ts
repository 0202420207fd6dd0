/** How many workers are in which state. */
export interface WorkerStates {
  /** Launched, but no greeting yet; or about to be started again. */
  readonly starting: number
  /** With a request under way: loading a model is one. */
  readonly busy: number
  readonly idle: number
  /** Ended, and not started again so far. */
  readonly down: number
}

/** A worker turns idle between any two requests: nobody wants to be told each time. */
const EVERY_MS = 1000

/** Tells of the states of workers when they have changed, at most once a second; what is told last is true. */
export class StateReporter {
  readonly #tell: (states: WorkerStates) => void
  readonly #count: () => WorkerStates
  #told: WorkerStates | null = null
  #toldAt = -Infinity
  #timer: NodeJS.Timeout | null = null

  constructor(count: () => WorkerStates, tell: (states: WorkerStates) => void) {
    this.#count = count
    this.#tell = tell
  }

  /** Something may have changed. */
  changed(): void {
    if (this.#timer !== null) return
    const waitMs = this.#toldAt + EVERY_MS - performance.now()
    if (waitMs <= 0) this.#report()
    else this.#timer = setTimeout(() => this.#report(), waitMs).unref()
  }

  #report(): void {
    this.#timer = null
    const states = this.#count()
    if (this.#told !== null && equal(states, this.#told)) return
    this.#told = states
    this.#toldAt = performance.now()
    this.#tell(states)
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
  }
}

function equal(a: WorkerStates, b: WorkerStates): boolean {
  return a.starting === b.starting && a.busy === b.busy && a.idle === b.idle && a.down === b.down
}
