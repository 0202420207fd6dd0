import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Launch, ProcessExit, WorkerProcess } from '../launcher.ts'
import { readLogTail } from './log-tail.ts'

/** What a scheduler says of a job: it waits or runs, or how it ended. */
export type JobState = { readonly over: false } | { readonly over: true; readonly exit: ProcessExit }

/** How to ask a scheduler about one job. */
export interface Job {
  readonly id: string
  readonly state: () => Promise<JobState>
  readonly stop: () => Promise<void>
}

/** Notes the job beside the logs, so that the next orchestrator finds it if this one is killed. */
const NOTE = 'job.json'
/** Asking fails now and then; a scheduler that fails this often in a row is gone. */
const MOST_FAILURES = 5

/** One job that runs all ranks of a launch; they live and die together. */
export async function followJob(
  job: Job,
  launch: Pick<Launch, 'ranks' | 'logDirectory'>,
  launcher: string,
  intervalMs: number,
): Promise<readonly WorkerProcess[]> {
  const note = join(launch.logDirectory, NOTE)
  await writeFile(note, `${JSON.stringify({ launcher, id: job.id })}\n`, { mode: 0o600 })
  const followed = follow(job, intervalMs)
  const exited = followed.then(async (exit) => {
    await rm(note, { force: true })
    return exit
  })
  let over = false
  void exited.then(() => (over = true))
  return launch.ranks.map(({ rank, logFile }) => ({
    rank,
    exited,
    status: () => (over ? 'exited' : 'running'),
    logs: () => readLogTail(logFile),
    dumpStacks: () => Promise.resolve(),
    async cancel() {
      await job.stop().catch(() => undefined)
      return exited
    },
  }))
}

async function follow(job: Job, intervalMs: number): Promise<ProcessExit> {
  let failures = 0
  for (;;) {
    await delay(intervalMs, null, { ref: false })
    try {
      const state = await job.state()
      failures = 0
      if (state.over) return state.exit
    } catch (error) {
      failures += 1
      const reason = error instanceof Error ? error.message : String(error)
      if (failures === MOST_FAILURES) return { code: null, signal: null, reason: `job ${job.id}: ${reason}` }
    }
  }
}

/** The job that an earlier orchestrator left in this log folder, by the launcher that started it. */
export async function leftoverJob(logDirectory: string, launcher: string): Promise<string | null> {
  try {
    const note: unknown = JSON.parse(await readFile(join(logDirectory, NOTE), 'utf8'))
    if (typeof note !== 'object' || note === null) return null
    const { launcher: by, id } = note as { readonly launcher?: unknown; readonly id?: unknown }
    return by === launcher && typeof id === 'string' ? id : null
  } catch {
    return null
  }
}
