import { spawn as spawnProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Launcher, ProcessExit, RankSpec, WorkerProcess } from '../launcher.ts'
import { readLogTail } from './log-tail.ts'
import { checkPython, choosePython, RUNTIME_FOLDER } from './python.ts'
import { workerEnvironment, type Placement } from './worker-environment.ts'

export interface SpawnOptions {
  /** The interpreter; see {@link choosePython} for what is taken without it. */
  readonly python?: string | undefined
  /** Devices relative to CUDA_VISIBLE_DEVICES, one worker each; `cpu` uses none; absent: the default device. */
  readonly devices?: readonly number[] | 'cpu'
  /** CPU threads per worker. */
  readonly threads?: number | undefined
  /** Runs this program with its arguments instead of the Python worker; it must speak the same protocol. */
  readonly command?: readonly [string, ...string[]]
}

const STACKS_MS = 300

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

/** Starts every rank as a plain process of this machine. */
export function spawnLauncher(options: SpawnOptions = {}): Launcher {
  const python = choosePython(options.python)
  const [program, ...parameters] = options.command ?? [python, '-m', 'elenchus_runtime.worker']
  const placement: Placement = {
    devices: options.devices ?? 'default',
    pythonPath: [RUNTIME_FOLDER],
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  }
  return {
    name: 'spawn',
    defaultRanks: Array.isArray(options.devices) ? Math.max(1, options.devices.length) : 1,
    async prepare() {
      if (options.command === undefined) await checkPython(python)
    },
    launch(ranks) {
      const machineHasGpu = existsSync('/dev/nvidiactl')
      return Promise.all(
        ranks.map((spec) =>
          spawn(program, parameters, spec, workerEnvironment(spec, placement, process.env, machineHasGpu)),
        ),
      )
    },
  }
}

async function spawn(
  program: string,
  parameters: readonly string[],
  spec: RankSpec,
  env: Record<string, string>,
): Promise<WorkerProcess> {
  const log = await open(spec.logFile, 'a', 0o600)
  try {
    // Not execa: it would pass what workers print through this process, and a busy process blocks them.
    const subprocess = spawnProcess(program, parameters, {
      // A group of its own: it dies as a whole, and Ctrl-C on the terminal does not reach it.
      detached: true,
      env,
      // The end of stdin is the end of this process: that is how workers notice, even after SIGKILL.
      stdio: ['pipe', log.fd, log.fd],
    })
    subprocess.stdin?.on('error', () => undefined)
    const { pid } = subprocess
    const exited = new Promise<ProcessExit>((resolve) => {
      subprocess.once('exit', (code, signal) => resolve({ code, signal }))
      subprocess.once('error', (error) => resolve({ code: null, signal: null, reason: error.message }))
    })
    return pid === undefined ? unstarted(spec, exited) : new SpawnedProcess(spec, pid, exited)
  } finally {
    await log.close()
  }
}

function unstarted(spec: RankSpec, exited: Promise<ProcessExit>): WorkerProcess {
  return {
    rank: spec.rank,
    exited,
    status: () => 'exited',
    logs: () => readLogTail(spec.logFile),
    dumpStacks: () => Promise.resolve(),
    cancel: () => exited,
  }
}

class SpawnedProcess implements WorkerProcess {
  readonly rank: number
  readonly pid: number
  readonly exited: Promise<ProcessExit>
  readonly #logFile: string
  #status: 'running' | 'exited' = 'running'

  constructor(spec: RankSpec, pid: number, exited: Promise<ProcessExit>) {
    this.rank = spec.rank
    this.pid = pid
    this.#logFile = spec.logFile
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

  logs(): Promise<string> {
    return readLogTail(this.#logFile)
  }

  async dumpStacks(): Promise<void> {
    if (this.#status === 'exited') return
    signalGroup(this.pid, 'SIGUSR1')
    await delay(STACKS_MS)
  }

  async cancel(graceMs: number): Promise<ProcessExit> {
    if (this.#status === 'running' && graceMs > 0) {
      signalGroup(this.pid, 'SIGTERM')
      await Promise.race([this.exited, delay(graceMs, null, { ref: false })])
    }
    if (this.#status === 'running') signalGroup(this.pid, 'SIGKILL')
    return this.exited
  }
}
