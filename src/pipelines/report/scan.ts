import { readdir, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { ElenchusError } from '../../errors.ts'
import { stageDirectoryOf } from '../../runs/beside.ts'
import { ioError } from '../../runs/io-error.ts'
import { type Manifest, readManifest } from '../../runs/manifest.ts'
import type { RunFacts } from '../../report/report.ts'
import { lockedState } from './lock-state.ts'
import { readWhole } from './records.ts'

/** A stage's directory with its manifest. */
export interface FoundStage {
  /** Relative to the run, `.` for the run itself. */
  readonly dir: string
  readonly manifest: Manifest
  readonly state: RunFacts['state']
}

/** What a JSONL file holds, told by its first record. */
export type FileKind = 'proofs' | 'questions' | 'traces' | 'rollouts' | 'pairs' | 'metrics' | 'other'

export interface FoundFile {
  readonly path: string
  /** Relative to the run. */
  readonly file: string
  readonly kind: FileKind
  /** The stage that writes it; null for files without one, such as data. */
  readonly stage: FoundStage | null
}

export interface Scan {
  readonly root: string
  readonly stages: readonly FoundStage[]
  readonly files: readonly FoundFile[]
}

/** Weights, logs and hidden files hold no records. */
const SKIPPED = /^(?:\.|final$|initial$|logs$|node_modules$|checkpoint-)/
const MAX_DEPTH = 8

/** @throws ElenchusError `file_missing` if there is neither a stage nor a file with records; `io_failed`. */
export async function scanRun(root: string): Promise<Scan> {
  const found = await walk(root, 0)
  const stages = new Map<string, FoundStage>()
  for (const path of found.filter((each) => each.endsWith('/manifest.json'))) {
    const dir = dirname(path)
    const manifest = await readManifest(dir)
    if (manifest === undefined) continue
    const state = manifest.state === 'finished' ? 'finished' : lockedState(dir)
    stages.set(dir, { dir: relative(root, dir) || '.', manifest, state })
  }
  const files: FoundFile[] = []
  for (const path of found.filter((each) => each.endsWith('.jsonl'))) {
    const kind = await kindOf(path)
    const stage = stages.get(stageDirectoryOf(path)) ?? stages.get(dirname(path)) ?? null
    if (kind !== 'other') files.push({ path, file: relative(root, path), kind, stage })
  }
  // Where there are no pairs, the report beside them says why.
  for (const path of found.filter((each) => each.endsWith('.report.json'))) {
    const pairs = path.replace(/\.report\.json$/, '.jsonl')
    if (files.some((file) => file.path === pairs)) continue
    const stage = stages.get(dirname(path)) ?? null
    files.push({ path: pairs, file: relative(root, pairs), kind: 'pairs', stage })
  }
  if (stages.size === 0 && files.length === 0) {
    throw new ElenchusError('file_missing', `${root} holds no run: neither a stage's manifest nor records.`, {
      hint: 'Name the directory that a run was written to, its `output` setting or --output flag.',
    })
  }
  const began = ({ manifest }: FoundStage): string => manifest.attempts[0]?.started_at ?? ''
  return {
    root,
    stages: [...stages.values()].sort((a, b) => (began(a) < began(b) ? -1 : 1)),
    files: files.sort((a, b) => (a.file < b.file ? -1 : 1)),
  }
}

/** Changes whenever a file of the run that a report reads is written. */
export async function runVersion(root: string): Promise<string> {
  const paths = (await walk(root, 0)).filter((path) => /\.jsonl?$/.test(path))
  const stats = await Promise.all(paths.map((path) => stat(path).catch(() => null)))
  const newest = Math.max(0, ...stats.map((each) => each?.mtimeMs ?? 0))
  const size = stats.reduce((sum, each) => sum + (each?.size ?? 0), 0)
  return `${paths.length}-${size}-${newest}`
}

async function walk(folder: string, depth: number): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    const below = await Promise.all(
      entries
        .filter((entry) => !SKIPPED.test(entry.name))
        .map(async (entry) => {
          const path = join(folder, entry.name)
          if (entry.isFile()) return [path]
          return entry.isDirectory() && depth < MAX_DEPTH ? walk(path, depth + 1) : []
        }),
    )
    return below.flat()
  } catch (error) {
    throw ioError(error, 'read', folder)
  }
}

async function kindOf(path: string): Promise<FileKind> {
  try {
    for await (const record of readWhole(path)) return kindOfRecord(record)
  } catch (error) {
    // No JSON at all: not ours. What is damaged further in is told by whoever reads it.
    if (ElenchusError.is(error) && error.code === 'record_invalid') return 'other'
    throw error
  }
  return 'other'
}

function kindOfRecord(record: unknown): FileKind {
  if (typeof record !== 'object' || record === null) return 'other'
  const has = (...keys: readonly string[]): boolean => keys.every((key) => Object.hasOwn(record, key))
  if (has('chosen', 'rejected', 'pair_type')) return 'pairs'
  if (has('trajectories', 's_wm')) return 'rollouts'
  if (has('steps', 'trace_valid', 'completion')) return has('prediction') ? 'proofs' : 'traces'
  if (has('question_id', 'prediction', 'output')) return 'questions'
  return has('stage', 'step') ? 'metrics' : 'other'
}
