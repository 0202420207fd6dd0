import { join } from 'node:path'
import * as z from 'zod'
import { writeJsonAtomic } from '../runs/atomic.ts'
import { readJson } from '../runs/manifest.ts'
import { versions } from '../runs/versions.ts'

/** `run.json` of a pipeline's directory: what was run. Its stages have manifests of their own. */
export const runRecordSchema = z.looseObject({
  format: z.literal(1),
  pipeline: z.enum(['oak', 'abel']),
  started_at: z.iso.datetime(),
  /** Absent while it is unfinished. */
  finished_at: z.iso.datetime().optional(),
  versions: z.record(z.string(), z.string()),
  /** The resolved configuration. */
  config: z.unknown(),
})
export type RunRecord = z.infer<typeof runRecordSchema>

/** The record of a run; undefined if the directory holds none that can be read. */
export async function readRunRecord(dir: string): Promise<RunRecord | undefined> {
  return runRecordSchema.safeParse(await readJson(join(dir, 'run.json'))).data
}

/**
 * Runs a pipeline between two writings of its record. An attempt that a stage refuses because its settings
 * changed does not replace the settings of those before it.
 */
export async function recorded<T>(
  config: { readonly pipeline: 'oak' | 'abel'; readonly output: string },
  run: () => Promise<T>,
): Promise<T> {
  const path = join(config.output, 'run.json')
  const before = await readRunRecord(config.output)
  const record: RunRecord = {
    format: 1,
    pipeline: config.pipeline,
    started_at: before?.started_at ?? new Date().toISOString(),
    versions: versions(),
    config,
  }
  if (before === undefined) await writeJsonAtomic(path, record)
  const result = await run()
  // A finished run that is only looked at again keeps its time.
  const finished_at = before?.finished_at ?? new Date().toISOString()
  await writeJsonAtomic(path, { ...record, finished_at })
  return result
}
