import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrainingSession } from '../backends/backend.ts'
import { ElenchusError } from '../errors.ts'
import type { EventSink } from '../runs/events.ts'

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

/**
 * Continues a session from the newest checkpoint of a stage that is whole; damaged ones are left out with a warning.
 *
 * @param read what a checkpoint's number, step and cursor mean; undefined if they do not fit together.
 * @returns null if there is no checkpoint.
 * @throws ElenchusError `checkpoint_corrupt`, that of the newest, if none of them can be used.
 */
export async function restoreNewest<T>(
  from: {
    readonly session: TrainingSession
    readonly dir: string
    readonly stage: string
    readonly events: EventSink
  },
  read: (number: number, stored: { readonly step: number; readonly cursor: unknown }) => T | undefined,
): Promise<T | null> {
  let failure: ElenchusError | null = null
  for (const number of (await numbers(from.dir)).toReversed()) {
    const path = pathOf(from.dir, number)
    try {
      const value = read(number, await from.session.loadCheckpoint(path))
      if (value === undefined) {
        throw new ElenchusError('checkpoint_corrupt', `${path} was not written by this training loop.`)
      }
      if (failure !== null) {
        const message = `${failure.message} Training goes on from ${path}, the one before it.`
        from.events({ type: 'warning', stage: from.stage, message })
      }
      return value
    } catch (error) {
      if (!ElenchusError.is(error) || error.code !== 'checkpoint_corrupt') throw error
      failure ??= error
    }
  }
  if (failure !== null) throw failure
  return null
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
