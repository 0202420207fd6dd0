import { getSystemErrorMap } from 'node:util'
import { ElenchusError } from '../errors.ts'

/**
 * Our error for a failed file operation: `file_missing` where nothing is there, `io_failed` otherwise.
 *
 * @param doing what was attempted, to follow "Cannot": "write", "read".
 * @param note a sentence to add, such as what state the file was left in.
 */
export function ioError(error: unknown, doing: string, path: string, note = ''): ElenchusError {
  if (ElenchusError.is(error)) return error
  const code = errnoCode(error)
  const missing = code === 'ENOENT'
  const reason = missing ? 'there is no such file or directory' : describe(error, code)
  const message = `Cannot ${doing} ${path}: ${reason}.${note === '' ? '' : ` ${note}`}`
  return new ElenchusError(missing ? 'file_missing' : 'io_failed', message, {
    details: { path, ...(code === undefined ? {} : { errno: code }) },
    cause: error,
  })
}

/** The `code` of a Node system error, such as `ENOENT`. */
export function errnoCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

function describe(error: unknown, code: string | undefined): string {
  if (code !== undefined) {
    for (const [name, description] of getSystemErrorMap().values()) {
      if (name === code) return `${description} (${code})`
    }
  }
  return error instanceof Error ? error.message : String(error)
}
