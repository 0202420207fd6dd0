import { type FileHandle, mkdir, open, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type * as z from 'zod'
import { ElenchusError } from '../errors.ts'
import { replaceSynced, syncFolder, temporaryName } from './atomic.ts'
import { errnoCode, ioError } from './io-error.ts'
import { toJson } from './json.ts'
import { type Line, readLines } from './lines.ts'
import { describeIssues, invalidLine, lineText, parseLine } from './record-line.ts'

/**
 * The records of a JSONL file, one at a time, in constant memory. Blank lines are skipped; a last line
 * without a newline counts if it is whole.
 *
 * @param schema what each record must fit; without one, any JSON value passes.
 * @throws ElenchusError `record_invalid` with file, line, what is wrong and how the line begins;
 *   `file_missing`; `io_failed`.
 */
export function readJsonl(path: string): AsyncGenerator<unknown, void>
export function readJsonl<T>(path: string, schema: z.ZodType<T>): AsyncGenerator<T, void>
export async function* readJsonl<T>(path: string, schema?: z.ZodType<T>): AsyncGenerator<unknown, void> {
  for await (const lines of readLines(path)) {
    for (const line of lines) {
      const text = lineText(path, line)
      if (text === '') continue
      const value = parseLine(path, line, text)
      if (schema === undefined) {
        yield value
        continue
      }
      const result = schema.safeParse(value)
      if (!result.success) throw invalidLine(path, line, text, describeIssues(result.error))
      yield result.data
    }
  }
}

/**
 * Writes a whole JSONL file atomically: it appears complete, or not at all, replacing what was there.
 *
 * @returns the number of records.
 * @throws ElenchusError `io_failed`; errors of `records` pass unchanged.
 */
export async function writeJsonl(
  path: string,
  records: Iterable<unknown> | AsyncIterable<unknown>,
): Promise<number> {
  const temporary = temporaryName(path)
  let count = 0
  try {
    const writer = await JsonlWriter.open(temporary)
    try {
      for await (const record of records) {
        await writer.write(record)
        count++
      }
    } finally {
      await writer[Symbol.asyncDispose]()
    }
    await replaceSynced(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  return count
}

export interface JsonlWriterOptions {
  /** Continue an existing file; without it an existing file is refused, never truncated. */
  readonly resume?: boolean
  /** On resume, the first record for which this is false is removed, and everything after it. */
  readonly keepWhile?: (record: unknown) => boolean
  /** On resume, what a record is if it is not the one of its place; undefined if it is. Such a file is refused. */
  readonly misplaced?: (record: unknown, index: number) => string | undefined
}

/** Records after which a sync begins, at the latest; see also {@link SYNC_AFTER_MS}. */
const SYNC_AFTER_RECORDS = 64
/** Age of the oldest unwritten record at which a sync begins. */
const SYNC_AFTER_MS = 1000
/** While a sync is under way, `write` takes this much more before it makes its caller wait. */
const MAX_PENDING_CHARS = 8 * 2 ** 20

/**
 * Appends records to a JSONL file so that a kill at any moment costs the last second at most: records are
 * written and synced in batches (64 records or one second, whichever comes first), a torn last line is
 * cut when the file is opened again, and a failed write is taken back, so that the file always holds
 * whole records. One writer per file (the stage's lock sees to that).
 */
export class JsonlWriter implements AsyncDisposable {
  /** Complete records that the file held when it was opened; the next record has this index. */
  readonly existing: number
  readonly #path: string
  readonly #handle: FileHandle
  /** Length of the file up to the last record that was synced. */
  #synced: number
  #pending: string[] = []
  #pendingChars = 0
  #timer: NodeJS.Timeout | undefined
  #syncing: Promise<void> | undefined
  /** A sync was called for while another was under way. */
  #syncAgain = false
  #failure: ElenchusError | undefined
  #failureSeen = false
  #closed = false

  private constructor(path: string, handle: FileHandle, existing: Recovered) {
    this.#path = path
    this.#handle = handle
    this.existing = existing.records
    this.#synced = existing.bytes
  }

  /**
   * @throws ElenchusError `run_exists` if the file exists and `resume` is not set; `record_invalid` if a
   *   line before the last one is damaged, or another record's; `io_failed`.
   */
  static async open(path: string, options: JsonlWriterOptions = {}): Promise<JsonlWriter> {
    const recovered = options.resume === true ? await recover(path, options) : undefined
    try {
      await mkdir(dirname(path), { recursive: true })
      const handle = await open(path, recovered === undefined ? 'wx' : 'r+')
      try {
        if (recovered === undefined) await syncFolder(dirname(path))
        else await cut(handle, recovered.bytes)
        return new JsonlWriter(path, handle, recovered ?? { records: 0, bytes: 0 })
      } catch (error) {
        await handle.close()
        throw error
      }
    } catch (error) {
      if (errnoCode(error) !== 'EEXIST') throw ioError(error, 'write', path)
      throw new ElenchusError('run_exists', `${path} exists already.`, { details: { path }, cause: error })
    }
  }

  /**
   * Takes a record; it is on disk after {@link flush}, or a second later. Awaiting each call keeps
   * memory bounded.
   *
   * @throws ElenchusError `io_failed` if this or an earlier record could not be written; the file then
   *   ends with a whole record and takes no more.
   */
  async write(record: unknown): Promise<void> {
    const text = `${toJson(record)}\n`
    while (this.#pendingChars > MAX_PENDING_CHARS && this.#syncing !== undefined) await this.#syncing
    this.#check()
    this.#pending.push(text)
    this.#pendingChars += text.length
    if (this.#pending.length >= SYNC_AFTER_RECORDS || this.#pendingChars > MAX_PENDING_CHARS) this.#sync()
    else this.#timer ??= setTimeout(() => this.#sync(), SYNC_AFTER_MS)
  }

  /** Returns when every record taken so far is on disk. Errors as {@link write}. */
  async flush(): Promise<void> {
    while (this.#syncing !== undefined || this.#pending.length > 0) {
      this.#sync()
      await this.#syncing
      this.#check()
    }
    this.#check()
  }

  /** Flushes and closes. Throws a failure only if no call has thrown it yet. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    try {
      if (!this.#failureSeen) await this.flush()
    } finally {
      this.#closed = true
      clearTimeout(this.#timer)
      await this.#handle.close()
    }
  }

  #check(): void {
    if (this.#closed) throw new ElenchusError('internal', `${this.#path} was written to after it was closed.`)
    if (this.#failure === undefined) return
    this.#failureSeen = true
    throw this.#failure
  }

  /** Starts a sync of what is pending; if one is under way, another follows it. */
  #sync(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#syncAgain = this.#syncing !== undefined
    if (this.#syncAgain || this.#failure !== undefined || this.#pending.length === 0) return
    const bytes = Buffer.from(this.#pending.join(''))
    this.#pending = []
    this.#pendingChars = 0
    this.#syncing = this.#append(bytes).finally(() => {
      this.#syncing = undefined
      if (this.#syncAgain) this.#sync()
    })
  }

  async #append(bytes: Buffer): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.#handle.write(
          bytes,
          done,
          bytes.length - done,
          this.#synced + done,
        )
        done += bytesWritten
      }
      await this.#handle.datasync()
      this.#synced += bytes.length
    } catch (error) {
      this.#failure = ioError(error, 'write', this.#path, await this.#takeBack())
    }
  }

  /** Removes what a failed write left behind; says what state the file is in. */
  async #takeBack(): Promise<string> {
    try {
      await cut(this.#handle, this.#synced)
      return 'The records before it are safe.'
    } catch {
      return 'The records before it are safe; a torn last line may follow them, which --resume cuts.'
    }
  }
}

interface Recovered {
  readonly records: number
  readonly bytes: number
}

/** The whole records at the beginning of a file; undefined if there is no file. */
async function recover(path: string, options: JsonlWriterOptions): Promise<Recovered | undefined> {
  try {
    await stat(path)
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined
    throw ioError(error, 'read', path)
  }
  let kept: Recovered = { records: 0, bytes: 0 }
  for await (const lines of readLines(path)) {
    for (const line of lines) {
      // Only a newline makes a record: without it, even a line that parses may be a part of a longer one.
      if (!line.terminated) return kept
      const record = recoverRecord(path, line, kept.records, options)
      if (record === 'unwanted') return kept
      kept = { records: kept.records + (record === 'blank' ? 0 : 1), bytes: line.end }
    }
  }
  return kept
}

/** @throws ElenchusError `record_invalid` with the way out: removing the line alone would shift all records behind it. */
function recoverRecord(
  path: string,
  line: Line,
  index: number,
  options: JsonlWriterOptions,
): 'blank' | 'kept' | 'unwanted' {
  try {
    const text = lineText(path, line)
    if (text === '') return 'blank'
    const record = parseLine(path, line, text)
    if (options.keepWhile?.(record) === false) return 'unwanted'
    const other = options.misplaced?.(record, index)
    if (other !== undefined) throw invalidLine(path, line, text, other)
    return 'kept'
  } catch (error) {
    if (!ElenchusError.is(error)) throw error
    const whole = line.number - 1
    const { code, message, details } = error
    const hint =
      whole === 0
        ? `Remove ${path}; --resume makes its records again.`
        : `Records stand in order, so do not remove this line alone: keep the ${whole} before it (head -n ${whole} ${path} > kept && mv kept ${path}), and --resume makes all others again.`
    throw new ElenchusError(code, message, { hint, details, cause: error })
  }
}

async function cut(handle: FileHandle, length: number): Promise<void> {
  await handle.truncate(length)
  await handle.sync()
}
