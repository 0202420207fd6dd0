import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { errnoCode, ioError } from './io-error.ts'
import { toJson } from './json.ts'
import { redacted } from './redact.ts'

let counter = 0

/**
 * Writes a file so that a reader, also after a crash or a power cut, sees the old content or the new,
 * never a part: temporary file in the same folder, fsync, rename, fsync of the folder. Missing parent
 * folders are made.
 *
 * @throws ElenchusError `io_failed`; the old content is still there then.
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const folder = dirname(path)
  const temporary = temporaryName(path)
  try {
    await mkdir(folder, { recursive: true })
    const handle = await open(temporary, 'wx')
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await replaceSynced(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw ioError(error, 'write', path)
  }
}

/** {@link writeFileAtomic} of indented JSON, ending in a newline. */
export async function writeJsonAtomic(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${toJson(value, 2)}\n`)
}

/** {@link writeJsonAtomic} of a configuration, without its credentials. */
export async function writeConfigAtomic(path: string, config: unknown): Promise<void> {
  await writeJsonAtomic(path, redacted(config))
}

/** A name beside `path` that nobody else uses; hidden, so that listings and globs do not show it. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${++counter}.tmp`)
}

/**
 * Puts a complete temporary file in its place, for good, and removes what killed processes left of theirs.
 * @throws ElenchusError `io_failed`
 */
export async function replaceSynced(temporary: string, path: string): Promise<void> {
  const folder = dirname(path)
  try {
    await rename(temporary, path)
    await syncFolder(folder)
    await removeLeftovers(path)
  } catch (error) {
    throw ioError(error, 'write', path)
  }
}

/** Nobody else writes `path`, the lock of its run sees to that; so whose process is not here is gone. */
async function removeLeftovers(path: string): Promise<void> {
  const prefix = `.${basename(path)}.`
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(prefix)) continue
    const pid = /^(\d+)\.\d+\.tmp$/.exec(name.slice(prefix.length))?.[1]
    if (pid !== undefined && !isRunning(Number(pid))) await rm(join(dirname(path), name), { force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errnoCode(error) !== 'ESRCH'
  }
}

/** Makes names that were created or renamed in the folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
