import { readdir, rename, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ElenchusError } from '../errors.ts'
import { errnoCode, ioError } from '../runs/io-error.ts'
import { lockedState } from './report/lock-state.ts'
import { readRunRecord, settingsThatDiffer } from './run-record.ts'

/** A run that made room: where it is now, and how its settings differ from the wanted ones. */
export interface SetAside {
  readonly path: string
  readonly differences: readonly string[]
}

/**
 * Renames the run in `config.output` to the first free `DIR.1`, `DIR.2`, ... if it was made with other
 * settings, so that a new one can start there and nothing is lost. Where tensors were computed is no
 * difference. Undefined if there is no run, or one with these settings.
 *
 * @throws ElenchusError `run_locked` if a process may be working in it; `io_failed`.
 */
export async function setAside(config: {
  readonly output: string
  readonly backend: unknown
}): Promise<SetAside | undefined> {
  const record = await readRunRecord(config.output)
  if (record === undefined) return undefined
  const differences = settingsThatDiffer(record, config)
  if (differences.length === 0) return undefined
  await refuseIfInUse(config.output)
  const path = await freeName(config.output)
  try {
    await rename(config.output, path)
  } catch (error) {
    throw ioError(error, 'set aside', config.output)
  }
  return { path, differences }
}

async function refuseIfInUse(output: string): Promise<void> {
  const files = await readdir(output, { recursive: true })
  const inUse = files
    .filter((file) => basename(file) === 'run.lock')
    .map((file) => join(output, dirname(file)))
  const busy = inUse.find((dir) => lockedState(dir) !== 'interrupted')
  if (busy === undefined) return
  throw new ElenchusError('run_locked', `${output} has other settings and is in use: ${busy} is locked.`, {
    hint: 'Wait for that run or stop it, or choose another directory with --set output=DIR.',
  })
}

async function freeName(output: string): Promise<string> {
  for (let number = 1; ; number++) {
    const path = `${output}.${number}`
    try {
      await stat(path)
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return path
      throw ioError(error, 'look for', path)
    }
  }
}
