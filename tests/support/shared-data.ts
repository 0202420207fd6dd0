import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Real data sets, which are not part of the repository; see `docs/regime-w.md` for what is read from where. */
const ROOT = resolve(process.env['ELENCHUS_SHARED_DATA'] ?? join(import.meta.dirname, '../../../shared/data'))

/** True, said on the test's output, when a file of the data is absent: for `test.skipIf`. */
export function sharedDataMissing(...path: string[]): boolean {
  const file = join(ROOT, ...path)
  const missing = !existsSync(file)
  if (missing) console.warn(`skipped: ${file} is absent (set ELENCHUS_SHARED_DATA to the data's folder)`)
  return missing
}

/** Parsed lines of a JSONL file; the caller states what a line holds. */
export function sharedJsonl<T>(...path: string[]): T[] {
  return readFileSync(join(ROOT, ...path), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}

/** A parsed JSON file. */
export function sharedJson(...path: string[]): unknown {
  return JSON.parse(readFileSync(join(ROOT, ...path), 'utf8'))
}

/** A file as it is, for tests of what reads it. */
export function sharedText(...path: string[]): string {
  return readFileSync(join(ROOT, ...path), 'utf8')
}
