import type * as z from 'zod'
import { readLines } from '../../runs/lines.ts'
import { describeIssues, invalidLine, lineText, parseLine } from '../../runs/record-line.ts'

/**
 * The whole records of a JSONL file that may just be written: a last line without its newline is left out.
 *
 * @throws ElenchusError `record_invalid`, `file_missing`, `io_failed`, as `readJsonl` does.
 */
export function readWhole(path: string): AsyncGenerator<unknown, void>
export function readWhole<T>(path: string, schema: z.ZodType<T>): AsyncGenerator<T, void>
export async function* readWhole<T>(path: string, schema?: z.ZodType<T>): AsyncGenerator<unknown, void> {
  for await (const lines of readLines(path)) {
    for (const line of lines) {
      const text = line.terminated ? lineText(path, line) : ''
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
