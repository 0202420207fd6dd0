import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { ElenchusError } from '../errors.ts'
import { writeJsonAtomic } from './atomic.ts'
import { errnoCode, ioError } from './io-error.ts'
import { describeIssues } from './record-line.ts'
import { redacted } from './redact.ts'

const attemptSchema = z.looseObject({
  started_at: z.iso.datetime(),
  /** Absent while it runs, and after a kill until the next attempt fills it in. */
  ended_at: z.iso.datetime().optional(),
  host: z.string(),
  pid: z.number().int(),
  versions: z.record(z.string(), z.string()),
  /** Launcher, devices, ranks: recorded, never compared. */
  placement: z.unknown().optional(),
})

/** `manifest.json` of a stage's directory: what it was made from, and by whom. Unknown fields are kept. */
export const manifestSchema = z.looseObject({
  format: z.literal(1),
  stage: z.string(),
  state: z.enum(['running', 'finished']),
  /** Everything that decides the result. */
  config: z.unknown(),
  /** Name to fingerprint of every input: data files, policies. */
  inputs: z.record(z.string(), z.string()),
  attempts: z.array(attemptSchema),
})
export type Manifest = z.infer<typeof manifestSchema>

/**
 * The manifest of a stage's directory, without credentials, also where one of earlier days still holds them; undefined
 * if there is none.
 *
 * @throws ElenchusError `record_invalid` if it is damaged or of another version; `io_failed`.
 */
export async function readManifest(dir: string): Promise<Manifest | undefined> {
  const path = join(dir, 'manifest.json')
  const value = await readJson(path)
  if (value === undefined) return undefined
  const result = manifestSchema.safeParse(value)
  if (result.success) return withoutCredentials(result.data)
  throw new ElenchusError('record_invalid', `${path} is no manifest: ${describeIssues(result.error)}.`)
}

/** Writes it without the credentials of its configuration and of the placement of its attempts. */
export async function writeManifest(dir: string, manifest: Manifest): Promise<void> {
  await writeJsonAtomic(join(dir, 'manifest.json'), withoutCredentials(manifest))
}

function withoutCredentials(manifest: Manifest): Manifest {
  const attempts = manifest.attempts.map((attempt) =>
    attempt.placement === undefined ? attempt : { ...attempt, placement: redacted(attempt.placement) },
  )
  return { ...manifest, config: redacted(manifest.config), attempts }
}

/** The value of a JSON file; undefined if there is no file. */
export async function readJson(path: string): Promise<unknown> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined
    throw ioError(error, 'read', path)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ElenchusError('record_invalid', `${path} is not JSON.`, { cause: error })
  }
}
