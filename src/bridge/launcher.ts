import type { Connection } from './connection-file.ts'

/** One rank to be started. */
export interface RankSpec {
  readonly rank: number
  /** Receives everything the process prints; a full pipe could block a worker, a file cannot. */
  readonly logFile: string
}

/** Ranks that are started together: all of a group, or one that is started again. */
export interface Launch {
  readonly ranks: readonly RankSpec[]
  readonly worldSize: number
  /** Counts the starts; the same for all ranks of a launch. */
  readonly epoch: number
  /** What the ranks have to know, and the 0600 file that says it. */
  readonly connection: Connection
  readonly connectionFile: string
  readonly logDirectory: string
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
  /** Absent where the process could not be started, lives elsewhere, or is started by another program. */
  readonly pid?: number
  /** Settles when the process is gone; never rejects. */
  readonly exited: Promise<ProcessExit>
  status(): 'running' | 'exited'
  /** The last lines that the process printed. */
  logs(): Promise<string>
  /** Has the process write its stacks into its log, where that is possible. `pid`: what its greeting said. */
  dumpStacks(pid: number | undefined): Promise<void>
  /** Ends the process and all that it started: politely first, by force after `graceMs`. */
  cancel(graceMs: number): Promise<ProcessExit>
}

/** Something that a launch would run, for people. It holds no secret. */
export interface Rendered {
  /** What it is, and where it runs. */
  readonly title: string
  readonly argv: readonly string[]
  /** What is added to the environment. */
  readonly environment: Readonly<Record<string, string>>
  /** A file that is handed over, such as a batch script. */
  readonly script?: string
}

/**
 * Starts the ranks of a worker group. `spawn` starts plain processes here; other launchers hand the ranks to
 * `torchrun` or a scheduler. A launcher knows processes, not the protocol.
 */
export interface Launcher {
  readonly name: string
  /** Where the launcher is told which devices to use: how many ranks those are; otherwise 1. */
  readonly defaultRanks: number
  /** Ranks find their connection file in the log folder, which all machines see; otherwise it lies here. */
  readonly sharesFiles: boolean
  /** Several ranks print to one stream, so each opens its own log. */
  readonly mixesOutput: boolean
  /** Whether a single rank can be started again, or only all together. */
  readonly restarts: 'rank' | 'group'
  /**
   * Checks, before anything starts, that workers can be started here.
   * @throws ElenchusError `environment`, saying what is missing and what to run.
   */
  prepare(): Promise<void>
  /** What {@link launch} would run. */
  render(launch: Launch): readonly Rendered[]
  /** Starts the given ranks: all of a group at first, single ones when they are started again. */
  launch(launch: Launch): Promise<readonly WorkerProcess[]>
  /**
   * Finds what an earlier orchestrator left with a scheduler in this log folder, if anything.
   * Launchers whose processes die with their orchestrator leave nothing.
   */
  reattach(logDirectory: string): Promise<WorkerProcess | null>
}
