import { createHash } from 'node:crypto'
import { renderPage } from '../../report/page.ts'
import type { Report } from '../../report/report.ts'
import { writeFileAtomic } from '../../runs/atomic.ts'

/** The report as one HTML file that needs nothing else. */
export function reportPage(report: Report, options: { readonly live?: boolean } = {}): string {
  return renderPage(report, {
    sha256: (text) => createHash('sha256').update(text).digest('base64'),
    ...options,
  })
}

/** Writes {@link reportPage}; a reader sees the old file or the new one. */
export async function writeReport(report: Report, path: string): Promise<void> {
  await writeFileAtomic(path, reportPage(report))
}
