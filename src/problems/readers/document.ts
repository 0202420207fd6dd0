import { ElenchusError } from '../../errors.ts'

/** One record of a file, and where it stands there. */
export interface Entry {
  /** "line 7" of JSON lines, "[7]" of a JSON array (from 0), ".example7" of a JSON object. */
  readonly position: string
  /** Line number, array index or object key: what names the record if it does not name itself. */
  readonly key: string
  readonly value: unknown
}

/** A row that gave no problem, and why. */
export interface ReadIssue {
  readonly position: string
  readonly message: string
}

export interface Document {
  readonly entries: readonly Entry[]
  /** Lines that are not JSON. */
  readonly issues: readonly ReadIssue[]
}

const WHAT_IS_READ =
  'Give a data file: a JSON array, or one JSON object per line (docs/data.md). A configuration (YAML) is run by `elenchus run`.'

/**
 * Takes a data file apart: one JSON value, or one per line.
 *
 * @param name what messages call the file.
 * @throws ElenchusError `record_invalid` if the text is neither.
 */
export function parseDocument(text: string, name: string): Document {
  const trimmed = text.trim()
  if (trimmed === '') throw new ElenchusError('record_invalid', `${name} is empty.`, { hint: WHAT_IS_READ })
  const whole = parseJson(trimmed)
  if (whole.ok) return fromJson(whole.value, name)
  const entries: Entry[] = []
  const issues: ReadIssue[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue
    const position = `line ${index + 1}`
    const parsed = parseJson(line)
    // Lines of a damaged JSON file may well be JSON values, such as a string of its own, but no objects.
    if (parsed.ok && isRecord(parsed.value)) {
      entries.push({ position, key: String(index + 1), value: parsed.value })
    } else {
      const message = parsed.ok ? 'not a JSON object' : `not JSON: ${parsed.message}`
      issues.push({ position, message })
    }
  }
  if (entries.length === 0) {
    throw new ElenchusError('record_invalid', `${name} is neither JSON nor JSON lines (${whole.message}).`, {
      hint: WHAT_IS_READ,
    })
  }
  return { entries, issues }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fromJson(value: unknown, name: string): Document {
  if (Array.isArray(value)) {
    const entries = value.map((item: unknown, index) => ({
      position: `[${index}]`,
      key: String(index),
      value: item,
    }))
    return { entries, issues: [] }
  }
  if (!isRecord(value)) {
    throw new ElenchusError('record_invalid', `${name} holds a single ${typeof value}, not records.`)
  }
  if (!isTable(value)) return { entries: [{ position: 'line 1', key: '1', value }], issues: [] }
  const entries = Object.entries(value).map(([key, item]) => ({ position: `.${key}`, key, value: item }))
  return { entries, issues: [] }
}

/** An object of objects, as the official PrOntoQA files are. */
function isTable(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every(isRecord)
}

type ParsedJson =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly message: string }

function parseJson(text: string): ParsedJson {
  try {
    return { ok: true, value: JSON.parse(text) }
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) }
  }
}
