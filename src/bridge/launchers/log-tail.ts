import { open } from 'node:fs/promises'

const TAIL_BYTES = 8192
const TAIL_LINES = 30

/** The last lines of a log, for an error message; empty if there is no log. */
export async function readLogTail(path: string): Promise<string> {
  let file
  try {
    file = await open(path, 'r')
  } catch {
    return ''
  }
  try {
    const { size } = await file.stat()
    const start = Math.max(0, size - TAIL_BYTES)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start)
    // Progress bars end their lines with a carriage return.
    const lines = buffer
      .subarray(0, bytesRead)
      .toString('utf8')
      .trimEnd()
      .split(/[\r\n]+/)
    // The first line is cut off somewhere, unless the log is that short.
    if (start > 0 && lines.length > 1) lines.shift()
    return lines.slice(-TAIL_LINES).join('\n')
  } finally {
    await file.close()
  }
}
