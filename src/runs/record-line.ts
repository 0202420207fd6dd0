import type * as z from 'zod'
import { ElenchusError } from '../errors.ts'
import type { Line } from './lines.ts'

/** The Unicode byte order mark, which some editors put in front of a file. */
const BYTE_ORDER_MARK = '\uFEFF'
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of a line without surrounding white space; `''` if it is blank. */
export function lineText(path: string, line: Line): string {
  let text: string
  try {
    text = decoder.decode(line.bytes)
  } catch {
    throw invalidLine(path, line, line.bytes.toString('latin1'), 'it is not UTF-8 text')
  }
  return (line.number === 1 && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text).trim()
}

/** The JSON value of a line. */
export function parseLine(path: string, line: Line, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw invalidLine(path, line, text, line.terminated ? `it is not JSON (${reason})` : 'it is cut off')
  }
}

/** The error for a line that is no record of the kind that is read. */
export function invalidLine(path: string, line: Line, text: string, reason: string): ElenchusError {
  const start = JSON.stringify(text.slice(0, 80))
  return new ElenchusError(
    'record_invalid',
    `${path}:${line.number} is no valid record: ${reason}. It begins ${start}.`,
    { details: { path, line: line.number } },
  )
}

/** What a schema found wrong: "premises[2]: expected string, received number; label: ...", three at most. */
export function describeIssues(error: z.ZodError): string {
  const issues = error.issues.slice(0, 3).map((issue) => {
    const path = issue.path
      .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
      .join('')
      .replace(/^\./, '')
    return path === '' ? issue.message : `${path}: ${issue.message}`
  })
  const more = error.issues.length - issues.length
  return issues.join('; ') + (more > 0 ? `; and ${more} more` : '')
}
