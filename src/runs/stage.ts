import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { ElenchusError } from '../errors.ts'
import { writeJsonAtomic } from './atomic.ts'
import { lastWritingIn, secondsOf, withEnd } from './attempts.ts'
import { describeDifferences } from './difference.ts'
import { ioError } from './io-error.ts'
import { isPlainObject, toJson } from './json.ts'
import { FileLock } from './lock.ts'
import { type Manifest, readJson, readManifest, writeManifest } from './manifest.ts'
import { redacted } from './redact.ts'
import { versions } from './versions.ts'

export interface StageSpec {
  readonly dir: string
  readonly stage: string
  /** JSON; everything that decides the result. */
  readonly config: unknown
  /** Launcher, devices, ranks: recorded, not compared. */
  readonly placement?: unknown
  /** Settings of `config` that change nothing but memory or disk use: recorded, and may be others when it is continued. */
  readonly free?: readonly string[]
  /** Files of the stage outside of `dir`. */
  readonly files?: readonly string[]
  /** Name to fingerprint of every input. */
  readonly inputs: Readonly<Record<string, string>>
  /** Continue what is there; without it an existing run is refused. */
  readonly resume: boolean
}

/** A stage's directory, locked until it is disposed of. `S` is the stage's own summary. */
export interface StageRun<S = unknown> extends AsyncDisposable {
  readonly dir: string
  readonly state: 'new' | 'resumed' | 'finished'
  /** For how long attempts before this one worked in it; those that were killed, until they last wrote something. */
  readonly earlierSeconds: number
  /** What {@link finish} stored; undefined until then. */
  readonly summary: S | undefined
  path(...parts: string[]): string
  /** Writes `summary.json`, then marks the stage finished, both atomically. */
  finish(summary: S): Promise<void>
}

/**
 * Opens a stage's directory: new, to be continued, or finished (then with its stored summary and
 * without a lock: finished stages may be read by many).
 *
 * @throws ElenchusError `run_locked` if another process works in it; `run_exists` if there is a run and
 *   `resume` is not set; `config_changed` with every difference in config and inputs; `io_failed`.
 */
export async function openStage<S = unknown>(spec: StageSpec): Promise<StageRun<S>> {
  const existing = await readManifest(spec.dir)
  const lockPath = join(spec.dir, 'run.lock')
  if (existing?.state === 'finished') {
    refuseUnlessSame(spec, existing)
    // It may have been killed between its last word and the end of its lock.
    await FileLock.removeDead(lockPath)
    return OpenedStage.finished<S>(spec.dir)
  }
  try {
    await mkdir(spec.dir, { recursive: true })
  } catch (error) {
    throw ioError(error, 'make the directory', spec.dir)
  }
  // Before this attempt writes anything, its lock included.
  const lastWriting = existing === undefined ? null : await lastWritingIn(spec.dir, spec.files)
  const lock = await FileLock.acquire(lockPath)
  try {
    // Read again: until now another process may have worked here.
    const manifest = await readManifest(spec.dir)
    if (manifest !== undefined) refuseUnlessSame(spec, manifest)
    if (manifest?.state === 'finished') {
      await lock[Symbol.asyncDispose]()
      return await OpenedStage.finished<S>(spec.dir)
    }
    const current = begin(spec, manifest, lastWriting)
    await writeManifest(spec.dir, current)
    return new OpenedStage<S>(spec.dir, manifest === undefined ? 'new' : 'resumed', {
      lock,
      manifest: current,
    })
  } catch (error) {
    await lock[Symbol.asyncDispose]()
    throw error
  }
}

/** The manifest with one more attempt. */
function begin(spec: StageSpec, before: Manifest | undefined, lastWriting: Date | null): Manifest {
  const attempt = {
    started_at: new Date().toISOString(),
    host: hostname(),
    pid: process.pid,
    versions: versions(),
    ...(spec.placement === undefined ? {} : { placement: spec.placement }),
  }
  return {
    format: 1,
    stage: spec.stage,
    config: spec.config,
    inputs: { ...spec.inputs },
    ...before,
    state: 'running',
    attempts: [...withEnd(before?.attempts ?? [], lastWriting), attempt],
  }
}

function refuseUnlessSame(spec: StageSpec, manifest: Manifest): void {
  const { dir, stage, inputs } = spec
  if (!spec.resume) {
    const state = manifest.state === 'finished' ? 'a finished' : 'an unfinished'
    throw new ElenchusError('run_exists', `${dir} holds ${state} run of the stage "${manifest.stage}".`, {
      details: { dir, stage: manifest.stage, state: manifest.state },
    })
  }
  // Through JSON, as the manifest went: `undefined` properties vanish. A new credential is no other setting.
  const config: unknown = JSON.parse(toJson(redacted(spec.config)))
  const bound = (settings: unknown): unknown => without(settings, spec.free ?? [])
  const differences = [
    ...describeDifferences(manifest.stage, stage, 'stage'),
    ...describeDifferences(bound(redacted(manifest.config)), bound(config)),
    ...describeDifferences(manifest.inputs, inputs, 'inputs'),
  ]
  if (differences.length === 0) return
  throw new ElenchusError(
    'config_changed',
    `${dir} was made with other settings:\n${differences.map((line) => `  ${line}`).join('\n')}`,
    { details: { dir, differences } },
  )
}

function without(settings: unknown, names: readonly string[]): unknown {
  if (!isPlainObject(settings)) return settings
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !names.includes(name)))
}

interface Work {
  readonly lock: FileLock
  manifest: Manifest
}

class OpenedStage<S> implements StageRun<S> {
  readonly dir: string
  readonly state: 'new' | 'resumed' | 'finished'
  readonly earlierSeconds: number
  #summary: S | undefined
  /** Absent when the stage was finished before, and after disposal. */
  #work: Work | undefined

  constructor(dir: string, state: 'new' | 'resumed' | 'finished', work?: Work, summary?: S) {
    this.dir = dir
    this.state = state
    this.#work = work
    this.earlierSeconds = secondsOf(work?.manifest.attempts.slice(0, -1) ?? [])
    this.#summary = summary
  }

  static async finished<S>(dir: string): Promise<OpenedStage<S>> {
    const path = join(dir, 'summary.json')
    const summary = await readJson(path)
    if (summary === undefined) {
      throw new ElenchusError('file_missing', `${dir} says that it is finished, but ${path} is missing.`, {
        hint: 'Use another output directory, or remove this one to run the stage again.',
      })
    }
    // The stage of this name and configuration wrote it; its type is not checked again.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return new OpenedStage<S>(dir, 'finished', undefined, summary as S)
  }

  get summary(): S | undefined {
    return this.#summary
  }

  path(...parts: string[]): string {
    return join(this.dir, ...parts)
  }

  async finish(summary: S): Promise<void> {
    const work = this.#work
    if (work === undefined) {
      throw new ElenchusError('internal', `${this.dir}: a stage that is not open cannot be finished.`)
    }
    if (!work.lock.held) {
      throw new ElenchusError('run_locked', `Another process has taken ${this.dir} over from this one.`)
    }
    await writeJsonAtomic(this.path('summary.json'), summary)
    await this.#endAttempt(work, 'finished')
    this.#summary = summary
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const work = this.#work
    if (work === undefined) return
    this.#work = undefined
    try {
      if (work.manifest.state === 'running' && work.lock.held) await this.#endAttempt(work, 'running')
    } finally {
      await work.lock[Symbol.asyncDispose]()
    }
  }

  async #endAttempt(work: Work, state: Manifest['state']): Promise<void> {
    const { attempts: before } = work.manifest
    const attempts = [...before.slice(0, -1), { ...before.at(-1)!, ended_at: new Date().toISOString() }]
    work.manifest = { ...work.manifest, state, attempts }
    await writeManifest(this.dir, work.manifest)
  }
}
