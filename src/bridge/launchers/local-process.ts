import { spawn as spawnProcess } from 'node:child_process'
import { open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { ProcessExit } from '../launcher.ts'

export interface ProcessOptions {
  readonly argv: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly logFile: string
  /** Written to its stdin, which then stays open until this process ends. */
  readonly input?: string
}

/** A process of this machine, with all that it starts in its group. It never outlives this one. */
export interface LocalProcess {
  /** Absent if it could not be started. */
  readonly pid: number | undefined
  readonly exited: Promise<ProcessExit>
  status(): 'running' | 'exited'
  signal(signal: NodeJS.Signals): void
  /** Ends the group: politely first, by force after `graceMs`. */
  cancel(graceMs: number): Promise<ProcessExit>
}

/** Leaders of the process groups that run now; none of them outlives an exit of this process. */
const running = new Set<number>()

function killAll(): void {
  for (const pid of running) signalGroup(pid, 'SIGKILL')
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // The group is gone already.
  }
}

export async function startProcess(options: ProcessOptions): Promise<LocalProcess> {
  const [program, ...parameters] = options.argv
  const log = await open(options.logFile, 'a', 0o600)
  try {
    // Not execa: it would pass what workers print through this process, and a busy process blocks them.
    const subprocess = spawnProcess(program, parameters, {
      // A group of its own: it dies as a whole, and Ctrl-C on the terminal does not reach it.
      detached: true,
      env: { ...process.env, ...options.env },
      // The end of stdin is the end of this process: that is how workers notice, even after SIGKILL.
      stdio: ['pipe', log.fd, log.fd],
    })
    subprocess.stdin?.on('error', () => undefined)
    if (options.input !== undefined) subprocess.stdin?.write(options.input)
    const exited = new Promise<ProcessExit>((resolve) => {
      subprocess.once('exit', (code, signal) => resolve({ code, signal }))
      subprocess.once('error', (error) => resolve({ code: null, signal: null, reason: error.message }))
    })
    return subprocess.pid === undefined ? unstarted(exited) : new Started(subprocess.pid, exited)
  } finally {
    await log.close()
  }
}

function unstarted(exited: Promise<ProcessExit>): LocalProcess {
  return {
    pid: undefined,
    exited,
    status: () => 'exited',
    signal: () => undefined,
    cancel: () => exited,
  }
}

class Started implements LocalProcess {
  readonly pid: number
  readonly exited: Promise<ProcessExit>
  #status: 'running' | 'exited' = 'running'

  constructor(pid: number, exited: Promise<ProcessExit>) {
    this.pid = pid
    if (running.size === 0) process.on('exit', killAll)
    running.add(pid)
    this.exited = exited.then((exit) => {
      this.#status = 'exited'
      running.delete(pid)
      if (running.size === 0) process.off('exit', killAll)
      // Whatever it had started itself is still in its group.
      signalGroup(pid, 'SIGKILL')
      return exit
    })
  }

  status(): 'running' | 'exited' {
    return this.#status
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#status === 'running') signalGroup(this.pid, signal)
  }

  async cancel(graceMs: number): Promise<ProcessExit> {
    if (this.#status === 'running' && graceMs > 0) {
      this.signal('SIGTERM')
      await Promise.race([this.exited, delay(graceMs, null, { ref: false })])
    }
    this.signal('SIGKILL')
    return this.exited
  }
}
