import { mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ioError } from './io-error.ts'
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
    await rename(temporary, path)
    await syncFolder(folder)
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

/** Makes names that were created or renamed in the folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
