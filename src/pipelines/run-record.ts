import { join } from 'node:path'
import * as z from 'zod'
import { writeJsonAtomic } from '../runs/atomic.ts'
import { lastWritingIn, secondsOf, withEnd } from '../runs/attempts.ts'
import { readJson } from '../runs/manifest.ts'
import { redacted } from '../runs/redact.ts'
import { versions } from '../runs/versions.ts'

const attemptSchema = z.looseObject({
  started_at: z.iso.datetime(),
  /** Absent while it runs, and after a kill until the next attempt fills it in. */
  ended_at: z.iso.datetime().optional(),
})
type Attempt = z.infer<typeof attemptSchema>

/** `run.json` of a pipeline's directory: what was run. Its stages have manifests of their own. */
export const runRecordSchema = z.looseObject({
  format: z.literal(1),
  pipeline: z.enum(['oak', 'abel']),
  started_at: z.iso.datetime(),
  /** Absent while it is unfinished. */
  finished_at: z.iso.datetime().optional(),
  attempts: z.array(attemptSchema).default([]),
  versions: z.record(z.string(), z.string()),
  /** The resolved configuration, without credentials. */
  config: z.unknown(),
})
export type RunRecord = z.infer<typeof runRecordSchema>

/** The record of a run, without credentials; undefined if the directory holds none that can be read. */
export async function readRunRecord(dir: string): Promise<RunRecord | undefined> {
  const record = runRecordSchema.safeParse(await readJson(join(dir, 'run.json'))).data
  return record === undefined ? undefined : { ...record, config: redacted(record.config) }
}

/**
 * Runs a pipeline between two writings of its record. An attempt that a stage refuses because its settings
 * changed does not replace the settings of those before it.
 *
 * @param run gets a clock: the seconds that all attempts have taken so far. Looking again at a finished run
 *   is no attempt.
 */
export async function recorded<T>(
  config: { readonly pipeline: 'oak' | 'abel'; readonly output: string },
  run: (wallSeconds: () => number) => Promise<T>,
): Promise<T> {
  const path = join(config.output, 'run.json')
  const before = await readRunRecord(config.output)
  const earlier = withEnd(before?.attempts ?? [], await lastWritingIn(config.output))
  const attempt: Attempt = { started_at: new Date().toISOString() }
  const record = (attempts: readonly Attempt[]): RunRecord => ({
    format: 1,
    pipeline: config.pipeline,
    started_at: before?.started_at ?? attempt.started_at,
    ...(before?.finished_at !== undefined && { finished_at: before.finished_at }),
    attempts: [...attempts],
    versions: versions(),
    config,
  })
  if (before?.finished_at !== undefined) {
    const result = await run(() => secondsOf(earlier))
    await write(path, record(earlier))
    return result
  }
  // The settings of an unfinished run stay recorded until this attempt has got through with its own.
  const during = [...earlier, attempt]
  await write(path, before === undefined ? record(during) : { ...before, attempts: during })
  const wallSeconds = (): number =>
    secondsOf([...earlier, { ...attempt, ended_at: new Date().toISOString() }])
  try {
    const result = await run(wallSeconds)
    const finished_at = new Date().toISOString()
    await write(path, {
      ...record([...earlier, { ...attempt, ended_at: finished_at }]),
      finished_at,
    })
    return result
  } catch (error) {
    const attempts = [...earlier, { ...attempt, ended_at: new Date().toISOString() }]
    await write(path, { ...(before ?? record(attempts)), attempts })
    throw error
  }
}

async function write(path: string, record: RunRecord): Promise<void> {
  await writeJsonAtomic(path, { ...record, config: redacted(record.config) })
}
