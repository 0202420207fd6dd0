import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ElenchusError, throwIfCancelled } from '../errors.ts'
import { readReport, type ReportOptions } from '../pipelines/report/read.ts'
import { reportPage } from '../pipelines/report/write.ts'
import { readRunRecord, type RunRecord } from '../pipelines/run-record.ts'
import type { Report } from '../report/report.ts'
import { readJson } from '../runs/manifest.ts'

export interface OpenRunOptions {
  /** Ends reading, also that of reports made later, with `cancelled`. */
  readonly signal?: AbortSignal
}

/** A run's directory, finished or not. */
export interface OpenedRun {
  readonly dir: string
  /** What was run; undefined where the directory is that of a single stage. */
  readonly record: RunRecord | undefined
  readonly finished: boolean
  /** What the run amounts to; undefined while it is unfinished. */
  readonly summary: unknown
  /** Everything that its report shows, as data. */
  report(options?: ReportOptions): Promise<Report>
  /** Its report as one HTML page that needs nothing else. */
  reportPage(options?: ReportOptions): Promise<string>
}

/** Reads a run that this or another process has made. @throws ElenchusError `file_missing`, `cancelled` */
export async function openRun(dir: string, { signal }: OpenRunOptions = {}): Promise<OpenedRun> {
  throwIfCancelled(signal, 'openRun')
  const isDirectory = await stat(dir).then(
    (stats) => stats.isDirectory(),
    () => false,
  )
  if (!isDirectory) throw new ElenchusError('file_missing', `There is no run in ${dir}.`)
  const record = await readRunRecord(dir)
  const summary = await readJson(join(dir, 'summary.json'))
  return {
    dir,
    record,
    finished: summary !== undefined,
    summary,
    report: (options) => readReport(dir, { signal, ...options }),
    reportPage: async (options) => reportPage(await readReport(dir, { signal, ...options })),
  }
}
