import { createReadStream } from 'node:fs'
import { ElenchusError } from '../errors.ts'
import { ioError } from './io-error.ts'

/** One line of a file, as bytes without its newline. */
export interface Line {
  /** 1-based. */
  readonly number: number
  readonly bytes: Buffer
  /** Offset in the file just behind the line and its newline. */
  readonly end: number
  /** Whether a newline follows; only the last line of a file can lack one. */
  readonly terminated: boolean
}

/** A longer line is no record of ours but another kind of file; it must not fill the memory. */
const MAX_LINE_BYTES = 256 * 2 ** 20
const NEWLINE = 10

/**
 * The lines of a file, in batches of what one read brings, in constant memory.
 *
 * @throws ElenchusError `file_missing`, `io_failed`, or `record_invalid` for a line above 256 MiB.
 */
export async function* readLines(path: string): AsyncGenerator<Line[]> {
  let number = 0
  let end = 0
  let carry: Buffer[] = []
  let carried = 0
  const stream = createReadStream(path, { highWaterMark: 1 << 20 })
  try {
    for await (const read of stream) {
      const chunk: Buffer = read
      const lines: Line[] = []
      let start = 0
      for (let stop = chunk.indexOf(NEWLINE); stop !== -1; stop = chunk.indexOf(NEWLINE, start)) {
        const piece = chunk.subarray(start, stop)
        const bytes = carried === 0 ? piece : Buffer.concat([...carry, piece])
        carry = []
        carried = 0
        end += bytes.length + 1
        lines.push({ number: ++number, bytes, end, terminated: true })
        start = stop + 1
      }
      if (start < chunk.length) {
        carry.push(chunk.subarray(start))
        carried += chunk.length - start
      }
      if (carried > MAX_LINE_BYTES) {
        throw new ElenchusError('record_invalid', `${path}:${number + 1}: the line is longer than 256 MiB.`)
      }
      if (lines.length > 0) yield lines
    }
  } catch (error) {
    throw ioError(error, 'read', path)
  }
  if (carried > 0) {
    const bytes = Buffer.concat(carry)
    yield [{ number: number + 1, bytes, end: end + bytes.length, terminated: false }]
  }
}
