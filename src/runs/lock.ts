import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ElenchusError } from '../errors.ts'
import { temporaryName } from './atomic.ts'
import { errnoCode, ioError } from './io-error.ts'
import { lifeOf, ownIdentity, type ProcessIdentity, processIdentitySchema } from './process-identity.ts'

/** The owner touches its lock this often. */
const HEARTBEAT_MS = 15_000
/** A lock whose owner cannot be looked up (another machine or container) is stale after this silence. */
const SILENCE_MS = 120_000
/** Two processes that find the same stale lock may both step back; after random pauses one gets it. */
const ATTEMPTS = 20

/**
 * A lock file that one process holds. The lock of a dead process is taken over: at once if this machine
 * can see that it is dead, after two minutes without a heartbeat if it ran elsewhere.
 */
export class FileLock implements AsyncDisposable {
  readonly #path: string
  readonly #content: string
  readonly #heartbeat: NodeJS.Timeout

  private constructor(path: string, content: string) {
    this.#path = path
    this.#content = content
    this.#heartbeat = setInterval(() => void this.#beat(), HEARTBEAT_MS).unref()
  }

  /** @throws ElenchusError `run_locked`, saying by whom and how to tell whether that is still true. */
  static async acquire(path: string): Promise<FileLock> {
    const content = `${JSON.stringify({ ...ownIdentity(), since: new Date().toISOString(), nonce: randomUUID() })}\n`
    try {
      for (let attempt = 1; ; attempt++) {
        if (createExclusive(path, content)) return new FileLock(path, content)
        const found = readOrUndefined(path)
        const owner = found === undefined ? undefined : parseOwner(found)
        if (found !== undefined && (await isStale(path, owner))) {
          if (await takeOver(path, found, content)) return new FileLock(path, content)
        } else if (owner !== undefined) {
          throw locked(path, owner)
        }
        // Just released, just being written, or taken over by somebody else at this moment.
        if (attempt === ATTEMPTS) throw locked(path, owner)
        await sleep(5 + Math.random() * 45)
      }
    } catch (error) {
      throw ioError(error, 'lock', path)
    }
  }

  /** Removes the lock of a dead process, if there is one and this process may; leaves a live one alone. */
  static async removeDead(path: string): Promise<void> {
    const found = readOrUndefined(path)
    const owner = found === undefined ? undefined : parseOwner(found)
    if (owner === undefined || lifeOf(owner) !== 'dead') return
    // Whoever cannot (a read-only file system, another who is faster) leaves what harms nobody.
    const lock = await FileLock.acquire(path).catch(() => null)
    await lock?.[Symbol.asyncDispose]()
  }

  /** Whether nobody has taken the lock over, as happens to a process that slept for minutes. */
  get held(): boolean {
    return readOrUndefined(this.#path) === this.#content
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#heartbeat)
    if (this.held) await rm(this.#path, { force: true })
  }

  async #beat(): Promise<void> {
    if (!this.held) return clearInterval(this.#heartbeat)
    const now = new Date()
    // A missed beat is no failure: the next one makes up for it.
    await utimes(this.#path, now, now).catch(() => undefined)
  }
}

/**
 * Replaces a stale lock. Only one process can: each first raises a flag of its own, then looks for
 * flags of others, and steps back if there is a live one; so of two, at least one sees the other.
 *
 * @returns false if it stepped back, or if the lock is not the stale one any more.
 */
async function takeOver(path: string, stale: string, content: string): Promise<boolean> {
  const folder = dirname(path)
  const prefix = `.${basename(path)}.takeover.`
  const flag = join(folder, `${prefix}${randomUUID()}`)
  createExclusive(flag, content)
  try {
    for (const name of await readdir(folder)) {
      const other = join(folder, name)
      if (!name.startsWith(prefix) || other === flag) continue
      const owner = parseOwner(readOrUndefined(other) ?? '')
      if (owner === undefined || lifeOf(owner) !== 'dead') return false
      await rm(other, { force: true })
    }
    if (readOrUndefined(path) !== stale) return false
    const temporary = temporaryName(path)
    await writeFile(temporary, content)
    await rename(temporary, path)
    return true
  } finally {
    rmSync(flag, { force: true })
  }
}

/** Creates the file with its content in one go; false if it exists. */
function createExclusive(path: string, content: string): boolean {
  let descriptor: number
  try {
    descriptor = openSync(path, 'wx')
  } catch (error) {
    if (errnoCode(error) === 'EEXIST') return false
    throw error
  }
  try {
    writeSync(descriptor, content)
  } finally {
    closeSync(descriptor)
  }
  return true
}

/** The owner that a lock names; undefined if it cannot be read (it may be just being written). */
function parseOwner(content: string): ProcessIdentity | undefined {
  try {
    return processIdentitySchema.parse(JSON.parse(content))
  } catch {
    return undefined
  }
}

async function isStale(path: string, owner: ProcessIdentity | undefined): Promise<boolean> {
  const life = owner === undefined ? 'unknown' : lifeOf(owner)
  return life === 'unknown' ? (await silence(path)) > SILENCE_MS : life === 'dead'
}

/** Milliseconds since the lock was last touched, by the clock of its file system (which may be a server's). */
async function silence(path: string): Promise<number> {
  const probe = temporaryName(path)
  try {
    await writeFile(probe, '')
    return (await stat(probe)).mtimeMs - (await stat(path)).mtimeMs
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return 0
    throw error
  } finally {
    await rm(probe, { force: true })
  }
}

function locked(path: string, owner: ProcessIdentity | undefined): ElenchusError {
  const folder = dirname(path)
  if (owner === undefined) {
    return new ElenchusError('run_locked', `${folder} is locked by ${path}, which names no process.`, {
      hint: `Try again; if nothing works in this directory, remove ${path}.`,
    })
  }
  const here = lifeOf(owner) === 'alive'
  const own = here && owner.pid === process.pid
  const who = own ? 'this process' : `process ${owner.pid} on ${owner.host}`
  const hint = here
    ? 'Wait for it or stop it; the lock of a dead process is taken over.'
    : `Look for it there. If it is gone, wait ${SILENCE_MS / 1000} s after its end, or remove ${path}.`
  return new ElenchusError('run_locked', `${folder} is in use by ${who}.`, {
    hint,
    details: { path, pid: owner.pid, host: owner.host },
  })
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined
    throw error
  }
}
