import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { WorkerGroup, type WorkerGroupOptions } from '../../src/bridge/group.ts'
import type { Launcher } from '../../src/bridge/launcher.ts'
import { spawnLauncher } from '../../src/bridge/launchers/spawn.ts'
import type { OpMap } from '../../src/bridge/protocol/ops.ts'
import { ElenchusError } from '../../src/errors.ts'

/** Only there can processes be found by their environment. */
export const LINUX = process.platform === 'linux'

export const HEARTBEAT_S = 0.05

/** Short enough for tests, long enough for a busy machine. */
const LIMITS = {
  startS: 30,
  silenceS: 20,
  unreachableS: 20,
  acceptS: 20,
  phaseS: { step: 0.5 },
  otherPhaseS: 20,
  goodbyeS: 1,
}

/** The launcher of a fixture worker, named after its behaviour. */
export function fixtureLauncher(behaviour: string): Launcher {
  const program = join(import.meta.dirname, 'fixtures', `${behaviour}.mjs`)
  return spawnLauncher({ command: [process.execPath, program] })
}

/**
 * A place of its own for one test: temporary folders land in it, so that afterwards nothing may be left there;
 * and every process started from it is known by its log folder.
 */
export class Scene implements AsyncDisposable {
  readonly root = mkdtempSync('/tmp/eb-')
  readonly logDirectory = join(this.root, 'logs')
  readonly #tmpdir = process.env['TMPDIR']

  constructor() {
    process.env['TMPDIR'] = this.root
  }

  start(behaviour: string, options: Partial<WorkerGroupOptions> = {}): Promise<WorkerGroup> {
    return WorkerGroup.start({
      launcher: fixtureLauncher(behaviour),
      logDirectory: this.logDirectory,
      heartbeatS: HEARTBEAT_S,
      ...options,
      limits: { ...LIMITS, ...options.limits },
    })
  }

  log(name = 'worker-0.0.log'): string {
    return readFileSync(join(this.logDirectory, name), 'utf8')
  }

  /** Checks that no process and no socket directory is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#tmpdir === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = this.#tmpdir
    const left = readdirSync(this.root).filter((name) => name !== 'logs' && !name.startsWith('torchinductor'))
    const processes = await processesOf(this.root)
    rmSync(this.root, { recursive: true, force: true })
    if (left.length + processes.length > 0) {
      throw new Error(
        `Left behind: files ${left.join(', ') || 'none'}, processes ${processes.join(', ') || 'none'}.`,
      )
    }
  }
}

/** Processes whose environment names a folder, the current one excepted; waits up to a second for them to end. */
export async function processesOf(folder: string): Promise<number[]> {
  if (!LINUX) return []
  for (let attempt = 0; ; attempt += 1) {
    const found = readdirSync('/proc')
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && pid !== process.pid && environmentOf(pid).includes(folder))
    if (found.length === 0 || attempt === 20) return found
    await delay(50)
  }
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
  } catch {
    return ''
  }
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A zombie still takes signals.
    return !LINUX || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** The failure of something that must fail with one of our errors. */
export async function failureOf(action: Promise<unknown>): Promise<ElenchusError> {
  try {
    await action
  } catch (error) {
    if (ElenchusError.is(error)) return error
    throw error
  }
  throw new Error('It succeeded, and should have failed.')
}

export function generateBody(keys: readonly string[]): OpMap['generate']['request'] {
  return {
    policy: null,
    engine: 'auto',
    requests: keys.map((key, seed) => ({ key, prompt: 'p', seed })),
    sampling: { temperature: 1, top_p: 1, max_new_tokens: 8 },
    stops: [],
    logprobs: false,
    deterministic: false,
  }
}
