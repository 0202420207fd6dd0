/** One rank to be started. `connectionFile` tells it where to connect, and with which token. */
export interface RankSpec {
  readonly rank: number
  readonly worldSize: number
  readonly connectionFile: string
  /** Receives everything the process prints; a full pipe could block a worker, a file cannot. */
  readonly logFile: string
}

/** How a process ended. Neither code nor signal: it could not be started, and `reason` says why. */
export interface ProcessExit {
  readonly code: number | null
  readonly signal: string | null
  readonly reason?: string
}

/** A started rank, as far as its launcher knows it. */
export interface WorkerProcess {
  readonly rank: number
  /** Absent where the process could not be started or lives elsewhere. */
  readonly pid?: number
  /** Settles when the process is gone; never rejects. */
  readonly exited: Promise<ProcessExit>
  status(): 'running' | 'exited'
  /** The last lines that the process printed. */
  logs(): Promise<string>
  /** Has the process write its stacks into its log, where that is possible. */
  dumpStacks(): Promise<void>
  /** Ends the process and all that it started: politely first, by force after `graceMs`. */
  cancel(graceMs: number): Promise<ProcessExit>
}

/**
 * Starts the ranks of a worker group. `spawn` starts plain processes here; other launchers hand the ranks to
 * `torchrun` or a scheduler. A launcher knows processes, not the protocol.
 */
export interface Launcher {
  readonly name: string
  /** Where the launcher is told which devices to use: how many ranks those are; otherwise 1. */
  readonly defaultRanks: number
  /**
   * Checks, before anything starts, that workers can be started here.
   * @throws ElenchusError `environment`, saying what is missing and what to run.
   */
  prepare(): Promise<void>
  /** Starts the given ranks: all of a group at first, single ones when they are started again. */
  launch(ranks: readonly RankSpec[]): Promise<readonly WorkerProcess[]>
}
