import { ElenchusError } from '../../errors.ts'
import type { Problem } from '../problem.ts'
import { isRecord, parseDocument, type Document, type Entry, type ReadIssue } from './document.ts'
import { FORMATS, FORMAT_NAMES, type Format, type FormatName } from './formats.ts'

export interface ReadResult {
  readonly format: FormatName
  readonly problems: readonly Problem[]
  /** Rows that gave no problem; the caller decides whether to go on without them. */
  readonly issues: readonly ReadIssue[]
}

/**
 * Reads a data file of any known format into problems. Pure: the caller has read the file.
 *
 * A problem keeps the name that its row gives it; otherwise it is `name` and its place in the file, so that the same file
 * always gives the same names.
 *
 * @param text the whole file.
 * @param name what names of problems begin with, usually the file's base name without extension.
 * @param format how to read it; by default what {@link detectFormat} finds.
 * @param called what messages call the file: its path. @default `name`
 * @throws ElenchusError `record_invalid` if the text is neither JSON nor JSON lines, or its format unknown.
 */
export function readProblems(
  text: string,
  name: string,
  format?: FormatName,
  called: string = name,
): ReadResult {
  const document = parseDocument(text, called)
  const found = format ?? detectFormat(document, called)
  const problems: Problem[] = []
  const issues = [...document.issues]
  const places = new Map<string, string>()
  for (const entry of document.entries) {
    const read = readEntry(entry, FORMATS[found], `${name}-${entry.key}`)
    if (!('problem' in read)) {
      issues.push(...read.issues)
      continue
    }
    const id = read.problem.problem_id
    const place = places.get(id)
    if (place !== undefined) {
      issues.push({ position: entry.position, message: `problem_id "${id}" is already that of ${place}` })
      continue
    }
    places.set(id, entry.position)
    problems.push(read.problem)
  }
  return { format: found, problems, issues }
}

/**
 * The format of a file, by the fields of its first record.
 *
 * @throws ElenchusError `record_invalid` naming the fields that are there and the formats that are known.
 */
export function detectFormat(document: Document, name: string): FormatName {
  const first = document.entries[0]
  const row = first?.value
  if (isRecord(row)) {
    for (const format of FORMAT_NAMES) {
      if (FORMATS[format].recognises(row)) return format
    }
  }
  const what = isRecord(row) ? `has the fields ${Object.keys(row).join(', ') || '(none)'}` : 'is no object'
  const known = Object.values(FORMATS).map(({ description }) => description)
  throw new ElenchusError(
    'record_invalid',
    `${name}: the first record ${first === undefined ? 'is missing' : `(${first.position}) ${what}`}; this is none of the known formats.`,
    { hint: `Known formats: ${known.join('; ')}.`, details: { formats: FORMAT_NAMES } },
  )
}

type Read = { readonly problem: Problem } | { readonly issues: readonly ReadIssue[] }

function readEntry(entry: Entry, format: Format, id: string): Read {
  const parsed = format.row.safeParse(entry.value)
  if (parsed.success) return { problem: { ...parsed.data, problem_id: parsed.data.problem_id ?? id } }
  return {
    issues: parsed.error.issues.map((issue) => ({
      position: [entry.position, ...issue.path.map(String)].join('.'),
      message: issue.message,
    })),
  }
}
