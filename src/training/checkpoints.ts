import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrainingSession } from '../backends/backend.ts'

/** Writes `checkpoint-<number>/` and deletes all but the `keep` newest. */
export async function saveCheckpoint(
  session: TrainingSession,
  dir: string,
  number: number,
  cursor: unknown,
  keep: number,
): Promise<void> {
  await session.saveCheckpoint(pathOf(dir, number), cursor)
  for (const old of (await numbers(dir)).slice(0, -keep)) await rm(pathOf(dir, old), { recursive: true })
}

/** The checkpoint with the highest number, if there is one. */
export async function newestCheckpoint(
  dir: string,
): Promise<{ readonly number: number; readonly path: string } | null> {
  const number = (await numbers(dir)).at(-1)
  return number === undefined ? null : { number, path: pathOf(dir, number) }
}

function pathOf(dir: string, number: number): string {
  return join(dir, `checkpoint-${number}`)
}

/** Ascending. */
async function numbers(dir: string): Promise<number[]> {
  const names = await readdir(dir)
  return names
    .flatMap((name) => /^checkpoint-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}
