import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kill, type Moment, TimeLine, type Victim } from './plan.ts'
import { MARKER, markedWorkers, untilGone } from './processes.ts'

/** How a run of the command line is started: always the same run, whatever became of earlier attempts. */
export interface Command {
  /** Compiled `cli/main.js`. */
  readonly program: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly marker: string
}

/** A kill as it happened. */
export interface Killed {
  readonly victim: Victim
  /** The stage that had told something last; null while processes started. */
  readonly stage: string | null
  /** Milliseconds until every process of the run was gone; of the orchestrator's kills only. */
  readonly goneMs: number | null
}

export interface Ended {
  readonly code: number | null
  readonly stderr: string
}

/** One attempt: the process, and what it tells of itself. */
class Attempt {
  readonly ended: Promise<Ended>
  /** Furthest place on the time line that this attempt has told. */
  furthest = -1
  stage: string | null = null
  over = false
  readonly #child: ChildProcess
  #wake: (() => void)[] = []

  constructor(command: Command, onMoment: (moment: Moment) => number) {
    const { program, args, env, marker } = command
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, ...env, [MARKER]: marker },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child = child
    let stderr = ''
    createInterface(child.stderr).on('line', (line) => {
      stderr = `${stderr}${line}\n`.slice(-4000)
      const moment = momentOf(line)
      if (moment === null) return
      this.furthest = Math.max(this.furthest, onMoment(moment))
      this.stage = moment.stage
      this.#notify()
    })
    this.ended = once(child, 'close').then(() => {
      this.over = true
      this.#notify()
      return { code: child.exitCode, stderr }
    })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async reaches(place: number): Promise<void> {
    while (this.furthest < place && !this.over) {
      await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}

/** Runs the command without touching it; every moment that it told. */
export async function undisturbed(
  command: Command,
): Promise<{ readonly timeLine: TimeLine; readonly ended: Ended }> {
  const moments: Moment[] = []
  const attempt = new Attempt(command, (moment) => moments.push(moment) - 1)
  const ended = await attempt.ended
  return { timeLine: new TimeLine(moments), ended }
}

/**
 * Runs the command (which must resume) until it is done, and kills on the way. After the orchestrator was
 * killed it is started again; a killed worker is its own orchestrator's business.
 *
 * @returns the kills that took place (a run may end before the last of them), and how the last attempt ended.
 */
export async function disturbed(
  command: Command,
  kills: readonly Kill[],
  options: {
    readonly timeLine: TimeLine
    readonly goneWithinMs: number
    readonly onKill: (killed: Killed) => void
  },
): Promise<{ readonly killed: readonly Killed[]; readonly left: readonly string[]; readonly ended: Ended }> {
  const killed: Killed[] = []
  const left: string[] = []
  const start = (): Attempt => new Attempt(command, (moment) => options.timeLine.place(moment))
  const record = (kill: Killed): void => {
    killed.push(kill)
    options.onKill(kill)
  }
  let attempt = start()
  let fresh = true
  for (const kill of kills) {
    // Only a start that nothing has disturbed yet can be disturbed as a start.
    if (kill.when === 'work' || !fresh) await attempt.reaches(kill.moment)
    await Promise.race([sleep(kill.delayMs), attempt.ended])
    if (attempt.over) break
    const stage = attempt.furthest < 0 ? null : attempt.stage
    if (kill.victim === 'worker') {
      const worker = await untilWorker(command.marker, attempt)
      if (worker === null) break
      process.kill(worker.pid, 'SIGKILL')
      record({ victim: 'worker', stage, goneMs: null })
      fresh = false
      continue
    }
    attempt.kill()
    const { ms, left: remaining } = await untilGone(command.marker, options.goneWithinMs)
    left.push(...remaining.map(({ pid, command: name }) => `${pid} ${name}`))
    await attempt.ended
    record({ victim: 'orchestrator', stage, goneMs: ms })
    attempt = start()
    fresh = true
  }
  const ended = await attempt.ended
  const { left: remaining } = await untilGone(command.marker, options.goneWithinMs)
  left.push(...remaining.map(({ pid, command: name }) => `${pid} ${name}`))
  return { killed, left, ended }
}

/** A worker of the attempt, between two starts the next one; null if the attempt ends without. */
async function untilWorker(marker: string, attempt: Attempt): Promise<{ readonly pid: number } | null> {
  while (!attempt.over) {
    const [worker] = markedWorkers(marker)
    if (worker !== undefined) return worker
    await Promise.race([sleep(50), attempt.ended])
  }
  return null
}

const STARTED = -1

/** What a line of `--json` events tells; null for what is no moment of a stage. */
function momentOf(line: string): Moment | null {
  let event: unknown
  try {
    event = JSON.parse(line)
  } catch {
    return null
  }
  if (typeof event !== 'object' || event === null) return null
  if (!('type' in event) || !('stage' in event) || typeof event.stage !== 'string') return null
  const { stage } = event
  if (event.type === 'stage_started') return { stage, done: STARTED }
  if (event.type === 'stage_finished') return { stage, done: Infinity }
  if (event.type !== 'progress' || !('done' in event) || typeof event.done !== 'number') return null
  return { stage, done: event.done }
}
