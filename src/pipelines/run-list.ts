import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ElenchusError } from '../errors.ts'
import { describeDifferences } from '../runs/difference.ts'
import { type Manifest, readJson, readManifest } from '../runs/manifest.ts'
import { readRunRecord, type RunRecord } from './run-record.ts'

/** A stage's directory of a run. */
export interface StageEntry {
  /** Below the run's directory; empty for the run itself. */
  readonly dir: string
  readonly stage: string
  readonly state: Manifest['state']
  readonly attempts: number
  readonly started_at: string | null
  readonly ended_at: string | null
}

/** A pipeline's run, or a stage that was run on its own. */
export interface RunEntry {
  readonly dir: string
  readonly kind: string
  readonly state: 'finished' | 'unfinished'
  readonly started_at: string | null
}

/** Folders below which nothing of ours is looked for. */
const DEPTH = 4

/** Every run below a folder, pipelines and single stages, newest first. */
export async function listRuns(folder: string): Promise<RunEntry[]> {
  const runs = await runsBelow(folder, DEPTH)
  return runs.sort((a, b) => (b.started_at ?? '').localeCompare(a.started_at ?? ''))
}

async function runsBelow(dir: string, depth: number): Promise<RunEntry[]> {
  const record = await readRunRecord(dir)
  if (record !== undefined) {
    const state = record.finished_at === undefined ? 'unfinished' : 'finished'
    return [{ dir, kind: record.pipeline, state, started_at: record.started_at }]
  }
  const manifest = await manifestOf(dir)
  if (manifest !== undefined) {
    const state = manifest.state === 'finished' ? 'finished' : 'unfinished'
    return [{ dir, kind: manifest.stage, state, started_at: manifest.attempts[0]?.started_at ?? null }]
  }
  if (depth === 0) return []
  return (await foldersOf(dir)).reduce<Promise<RunEntry[]>>(
    async (found, name) => [...(await found), ...(await runsBelow(join(dir, name), depth - 1))],
    Promise.resolve([]),
  )
}

export interface RunDescription {
  readonly dir: string
  readonly record: RunRecord | null
  readonly stages: readonly StageEntry[]
  /** `summary.json` of the run, if it has one. */
  readonly summary: unknown
}

/** @throws ElenchusError `file_missing` if there is no run. */
export async function describeRun(dir: string): Promise<RunDescription> {
  const record = (await readRunRecord(dir)) ?? null
  const stages = await stagesBelow(dir, '', DEPTH)
  if (record === null && stages.length === 0) {
    throw new ElenchusError('file_missing', `${dir} holds no run.`, {
      hint: '`elenchus runs list DIR` shows the runs below a folder.',
    })
  }
  stages.sort((a, b) => (a.started_at ?? '').localeCompare(b.started_at ?? ''))
  return { dir, record, stages, summary: (await readJson(join(dir, 'summary.json'))) ?? null }
}

async function stagesBelow(root: string, dir: string, depth: number): Promise<StageEntry[]> {
  const manifest = await manifestOf(join(root, dir))
  if (manifest !== undefined) {
    const { stage, state, attempts } = manifest
    const [first, last] = [attempts[0], attempts.at(-1)]
    return [
      {
        dir,
        stage,
        state,
        attempts: attempts.length,
        started_at: first?.started_at ?? null,
        ended_at: last?.ended_at ?? null,
      },
    ]
  }
  const found: StageEntry[] = []
  if (depth === 0) return found
  for (const name of await foldersOf(join(root, dir))) {
    found.push(...(await stagesBelow(root, join(dir, name), depth - 1)))
  }
  return found
}

/** How the settings of two runs differ, one line per place. */
export async function compareRuns(first: string, second: string): Promise<string[]> {
  const [a, b] = [await settingsOf(first), await settingsOf(second)]
  return describeDifferences(a, b)
}

async function settingsOf(dir: string): Promise<unknown> {
  const record = await readRunRecord(dir)
  if (record !== undefined) return record.config
  const manifest = await manifestOf(dir)
  if (manifest !== undefined) return manifest.config
  throw new ElenchusError('file_missing', `${dir} holds no run.`)
}

/** Undefined also for a `manifest.json` that is not ours. */
async function manifestOf(dir: string): Promise<Manifest | undefined> {
  try {
    return await readManifest(dir)
  } catch (error) {
    if (ElenchusError.is(error) && error.code === 'record_invalid') return undefined
    throw error
  }
}

async function foldersOf(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
      .map(({ name }) => name)
      .sort()
  } catch {
    return []
  }
}
