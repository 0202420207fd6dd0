import { join } from 'node:path'
import * as z from 'zod'
import { describeDifferences } from '../runs/difference.ts'
import { isPlainObject, toJson } from '../runs/json.ts'
import { ElenchusError } from '../errors.ts'
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

/** How the settings of a run differ from wanted ones, one line per place. Where tensors are computed is no difference. */
export function settingsThatDiffer({ config }: RunRecord, wanted: object): string[] {
  // Through JSON, as the record went: `undefined` properties vanish. A new credential is no other setting.
  return describeDifferences(
    withoutBackend(redacted(config)),
    withoutBackend(JSON.parse(toJson(redacted(wanted)))),
  )
}

function withoutBackend(config: unknown): unknown {
  if (!isPlainObject(config)) return config
  const { backend: _, ...rest } = config
  return rest
}

/** A stage's refusal with the settings as the user knows them: a stage's own seed, for one, is derived from the run's. */
function inTermsOfTheRun(error: unknown, before: RunRecord | undefined, config: object): unknown {
  if (!ElenchusError.is(error) || error.code !== 'config_changed' || before === undefined) return error
  const differences = settingsThatDiffer(before, config)
  if (differences.length === 0) return error
  const lines = differences.map((line) => `  ${line}`).join('\n')
  return new ElenchusError(
    'config_changed',
    `The run that is there has other settings:\n${lines}\nThe first stage to refuse them: ${error.message}`,
    {
      hint: 'Restore them, choose another directory (--set output=DIR), or move the run that is there to DIR.1 (elenchus run CONFIG --set-aside).',
      details: { ...error.details, settings: differences },
      cause: error,
    },
  )
}

/**
 * Runs a pipeline between two writings of its record. An attempt that a stage refuses because its settings
 * changed does not replace the settings of those before it.
 *
 * @param stages gets a clock: the seconds that all attempts have taken so far. Looking again at a finished run
 *   is no attempt.
 */
export async function recorded<T>(
  config: { readonly pipeline: 'oak' | 'abel'; readonly output: string },
  stages: (wallSeconds: () => number) => Promise<T>,
): Promise<T> {
  const path = join(config.output, 'run.json')
  const before = await readRunRecord(config.output)
  const run = async (wallSeconds: () => number): Promise<T> => {
    try {
      return await stages(wallSeconds)
    } catch (error) {
      throw inTermsOfTheRun(error, before, config)
    }
  }
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
