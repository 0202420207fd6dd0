import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** One start of a run or stage. */
export interface Attempt {
  readonly started_at: string
  /** Absent while it runs, and after a kill until the next attempt fills it in. */
  readonly ended_at?: string | undefined
}

/** The attempts with an end for the last one, which was killed if it has none: the time of its last writing. */
export function withEnd<A extends Attempt>(attempts: readonly A[], lastWriting: Date | null): A[] {
  const last = attempts.at(-1)
  if (last === undefined || last.ended_at !== undefined) return [...attempts]
  const end = Math.max(Date.parse(last.started_at), lastWriting?.getTime() ?? 0)
  return [...attempts.slice(0, -1), { ...last, ended_at: new Date(end).toISOString() }]
}

/** When anything in the folder, or one of the files beside it, was written last; null if there is nothing. */
export async function lastWritingIn(folder: string, files: readonly string[] = []): Promise<Date | null> {
  const inside = await readdir(folder, { recursive: true }).catch(() => [])
  let newest = 0
  for (const path of [...inside.map((name) => join(folder, name)), ...files]) {
    // What is gone meanwhile was a temporary file.
    newest = Math.max(newest, (await stat(path).catch(() => null))?.mtimeMs ?? 0)
  }
  return newest === 0 ? null : new Date(newest)
}

/** How long the attempts took together. One without an end counts nothing. */
export function secondsOf(attempts: readonly Attempt[]): number {
  let seconds = 0
  for (const { started_at, ended_at = started_at } of attempts) {
    seconds += (Date.parse(ended_at) - Date.parse(started_at)) / 1000
  }
  return seconds
}
