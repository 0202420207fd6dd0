import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ElenchusError, throwIfCancelled } from '../errors.ts'
import { WorkerGroup } from '../bridge/group.ts'
import { checkPython, choosePython } from '../bridge/launchers/python.ts'
import { spawnLauncher } from '../bridge/launchers/spawn.ts'
import type { Hello } from '../bridge/protocol/control.ts'
import { packageVersion } from '../runs/versions.ts'
import type { Diagnosis, Finding } from './finding.ts'
import { checkVllm } from './vllm.ts'
import { checkDisk, checkNode, checkPlatform, findGpus, gpuFinding } from './machine.ts'

export interface DoctorOptions {
  /** The interpreter of the workers; see {@link choosePython} for what is taken without it. */
  readonly python?: string | undefined
  /** The user's vLLM; without it, whatever `vllm` is on the path. */
  readonly vllm?: readonly [string, ...string[]] | undefined
  readonly signal?: AbortSignal | undefined
}

const PINGS = 50

/**
 * Looks at everything that a run needs: Node, the machine, disk, Python and its packages, the GPU; and starts a worker
 * and talks to it over ZeroMQ, since only that tells that it works.
 */
export async function diagnose(options: DoctorOptions = {}): Promise<Diagnosis> {
  const findings: Finding[] = [
    { name: 'elenchus', status: 'ok', message: packageVersion() },
    checkNode(),
    checkPlatform(),
    ...(await checkDisk()),
  ]
  const python = choosePython(options.python)
  const environment = await pythonFinding(python)
  findings.push(environment)
  const gpus = await findGpus()
  if (environment.status === 'error') {
    findings.push(gpuFinding(gpus, undefined, undefined), {
      name: 'wire',
      status: 'error',
      message: 'no worker was started, as Python is not ready',
      fix: 'See python, above.',
    })
  } else {
    const { hello, finding } = await wireFinding(python)
    findings.push(gpuFinding(gpus, hello?.device, hello?.versions['torch']))
    if (hello !== undefined) findings.push(versionsFinding(hello))
    findings.push(finding)
  }
  findings.push(await checkVllm(options.vllm, options.signal))
  throwIfCancelled(options.signal, 'doctor')
  return { ready: findings.every(({ status }) => status !== 'error'), findings }
}

async function pythonFinding(python: string): Promise<Finding> {
  const details = { python }
  try {
    await checkPython(python)
    return { name: 'python', status: 'ok', message: python, details }
  } catch (error) {
    if (!ElenchusError.is(error)) throw error
    return { name: 'python', status: 'error', message: error.message, fix: error.hint, details }
  }
}

/** Starts a real worker, which imports torch, and measures round trips to it. */
async function wireFinding(python: string): Promise<{ hello?: Hello; finding: Finding }> {
  const logDirectory = await mkdtemp(join(tmpdir(), 'elenchus-doctor-'))
  try {
    const began = performance.now()
    await using group = await WorkerGroup.start({
      launcher: spawnLauncher({ python }),
      ranks: 1,
      logDirectory,
    })
    const startSeconds = (performance.now() - began) / 1000
    const times: number[] = []
    for (let ping = 0; ping < PINGS; ping++) {
      const sent = performance.now()
      await group.call('stats', {}).result
      times.push(performance.now() - sent)
    }
    const median = times.sort((a, b) => a - b)[Math.floor(PINGS / 2)] ?? Number.NaN
    const [hello] = group.hellos
    return {
      ...(hello !== undefined && { hello }),
      finding: {
        name: 'wire',
        status: 'ok',
        message: `a worker started in ${startSeconds.toFixed(1)} s and answers over ZeroMQ in ${median.toFixed(2)} ms`,
        details: { start_s: startSeconds, round_trip_ms: median, device: hello?.device ?? null },
      },
    }
  } catch (error) {
    const known = ElenchusError.is(error)
    const message = error instanceof Error ? error.message : String(error)
    return {
      finding: {
        name: 'wire',
        status: 'error',
        message: `no worker answers: ${message}`,
        fix: known ? error.hint : 'Reinstall the package `zeromq`: its native part does not load.',
      },
    }
  } finally {
    await rm(logDirectory, { recursive: true, force: true })
  }
}

/** The worker itself knows which versions it was tested with. */
function versionsFinding({ versions, warnings }: Hello): Finding {
  const shown = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const message = shown.join(', ')
  const details = { versions, warnings }
  if (warnings.length === 0) return { name: 'versions', status: 'ok', message, details }
  return {
    name: 'versions',
    status: 'warning',
    message: `${message}. ${warnings.join(' ')}`,
    fix: 'It may well work; `elenchus setup` makes an environment with the tested versions.',
    details,
  }
}
