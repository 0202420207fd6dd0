import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Launch, Rendered, WorkerProcess } from '../launcher.ts'
import { startProcess, type LocalProcess } from './local-process.ts'
import { readLogTail } from './log-tail.ts'

/** One program that starts all ranks of a launch on this machine. */
export interface ProgramLaunch {
  readonly title: string
  /** Of its log, beside the logs of the ranks. */
  readonly name: string
  readonly argv: readonly [string, ...string[]]
  readonly environment: Readonly<Record<string, string>>
}

const STACKS_MS = 300

/** The program behind the shim that ties it to our life: it is not ours and would outlive us. */
export function tied(python: string, argv: readonly string[]): [string, ...string[]] {
  return [python, '-m', 'elenchus_runtime.shim', ...argv]
}

export function renderProgram({ title, argv, environment }: ProgramLaunch): readonly Rendered[] {
  return [{ title, argv, environment }]
}

/** Starts the program; its ranks live and die together. */
export async function launchProgram(
  program: ProgramLaunch,
  launch: Launch,
): Promise<readonly WorkerProcess[]> {
  const ownLog = join(launch.logDirectory, `${program.name}.${launch.epoch}.log`)
  const started = await startProcess({
    argv: program.argv,
    env: { ...program.environment, ELENCHUS_PARENT_PID: String(process.pid) },
    logFile: ownLog,
  })
  return launch.ranks.map(({ rank, logFile }) => ({
    rank,
    exited: started.exited,
    status: () => started.status(),
    async logs() {
      const [own, common] = await Promise.all([readLogTail(logFile), readLogTail(ownLog)])
      return [own, common].filter((text) => text !== '').join('\n')
    },
    dumpStacks: (pid) => dumpStacks(started, pid),
    cancel: (graceMs) => started.cancel(graceMs),
  }))
}

/** The signal goes to the rank alone: the program that started it would end by it. */
async function dumpStacks(started: LocalProcess, pid: number | undefined): Promise<void> {
  if (pid === undefined || started.status() === 'exited') return
  try {
    process.kill(pid, 'SIGUSR1')
  } catch {
    return
  }
  await delay(STACKS_MS)
}
