import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Launch, Launcher, RankSpec, WorkerProcess } from '../launcher.ts'
import { startProcess, type LocalProcess } from './local-process.ts'
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

/** A process may take so long to write its stacks into its log. */
const STACKS_MS = 300

/** Starts every rank as a plain process of this machine. */
export function spawnLauncher(options: SpawnOptions = {}): Launcher {
  const python = choosePython(options.python)
  const argv = options.command ?? ([python, '-m', 'elenchus_runtime.worker'] as const)
  const placement: Placement = {
    devices: options.devices ?? 'default',
    pythonPath: [RUNTIME_FOLDER],
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  }
  const environment = (rank: number, launch: Launch) =>
    workerEnvironment(rank, launch, placement, process.env, existsSync('/dev/nvidiactl'))
  return {
    name: 'spawn',
    defaultRanks: Array.isArray(options.devices) ? Math.max(1, options.devices.length) : 1,
    sharesFiles: false,
    mixesOutput: false,
    restarts: 'rank',
    async prepare() {
      if (options.command === undefined) await checkPython(python)
    },
    render: (launch) =>
      launch.ranks.map(({ rank }) => ({
        title: `rank ${rank}, on this machine`,
        argv,
        environment: environment(rank, launch),
      })),
    launch: (launch) =>
      Promise.all(
        launch.ranks.map(async (spec) => {
          const env = environment(spec.rank, launch)
          return ownProcess(spec, await startProcess({ argv, env, logFile: spec.logFile }))
        }),
      ),
    reattach: () => Promise.resolve(null),
  }
}

/** A rank that is a process of its own. */
export function ownProcess({ rank, logFile }: RankSpec, started: LocalProcess): WorkerProcess {
  return {
    rank,
    ...(started.pid !== undefined && { pid: started.pid }),
    exited: started.exited,
    status: () => started.status(),
    logs: () => readLogTail(logFile),
    async dumpStacks() {
      if (started.status() === 'exited') return
      started.signal('SIGUSR1')
      await delay(STACKS_MS)
    },
    cancel: (graceMs) => started.cancel(graceMs),
  }
}
