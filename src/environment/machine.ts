import { statfs } from 'node:fs/promises'
import { availableParallelism, homedir, totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { execa } from 'execa'
import type { Finding } from './finding.ts'

const OLDEST_NODE = [20, 19] as const
const GIB = 1024 ** 3
/** A 7B model in bf16, its adapters and a run's records take about this much. */
const ROOMY_GIB = 30
const LEAST_GIB = 1

export function checkNode(version: string = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const old = major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])
  return {
    name: 'node',
    status: old ? 'error' : 'ok',
    message: `Node ${version}${old ? `; ${OLDEST_NODE.join('.')} or later is needed` : ''}`,
    ...(old && { fix: `Install Node ${OLDEST_NODE.join('.')} or newer (https://nodejs.org).` }),
    details: { version },
  }
}

export function checkPlatform(platform: string = process.platform): Finding {
  const details = { platform, arch: process.arch, cores: availableParallelism(), memory_bytes: totalmem() }
  const message = `${platform} ${process.arch}, ${details.cores} cores, ${(details.memory_bytes / GIB).toFixed(0)} GiB of memory`
  if (platform === 'linux') return { name: 'machine', status: 'ok', message, details }
  if (platform === 'win32') {
    return {
      name: 'machine',
      status: 'error',
      message: `${message}: workers need a POSIX system`,
      fix: 'Use WSL 2. The judge (`verify`, `explain`, `baseline`) runs without workers.',
      details,
    }
  }
  return {
    name: 'machine',
    status: 'warning',
    message: `${message}: tested on Linux only`,
    fix: 'Look for stray workers after a kill -9; everything else is meant to work.',
    details,
  }
}

/** Room for what a run writes, and for models that are fetched from the hub. */
export async function checkDisk(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Finding[]> {
  const hub = env['HF_HUB_CACHE'] ?? join(env['HF_HOME'] ?? join(homedir(), '.cache/huggingface'), 'hub')
  return Promise.all([
    diskFinding('disk', 'this folder', resolve('.')),
    diskFinding('disk (models)', 'the model cache', hub),
  ])
}

async function diskFinding(name: string, what: string, path: string): Promise<Finding> {
  const { folder, free } = await freeBytes(path)
  const gib = free / GIB
  const message = `${gib.toFixed(gib < 10 ? 1 : 0)} GiB free for ${what} (${path})`
  const details = { path: folder, free_bytes: free }
  if (gib >= ROOMY_GIB) return { name, status: 'ok', message, details }
  const fix =
    name === 'disk'
      ? 'Free some, or choose an output directory on another disk (--output).'
      : 'Free some, or move the cache to another disk (HF_HOME).'
  const few = gib < LEAST_GIB
  return {
    name,
    status: few ? 'error' : 'warning',
    message: few ? message : `${message}: enough for the tiny pipelines, not for a 7B model`,
    fix,
    details,
  }
}

/** Of the nearest folder that exists. */
async function freeBytes(path: string): Promise<{ folder: string; free: number }> {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      const { bavail, bsize } = await statfs(folder)
      return { folder, free: bavail * bsize }
    } catch (error) {
      if (dirname(folder) === folder) throw error
    }
  }
}

export interface Gpu {
  readonly name: string
  readonly memoryMib: number
  readonly driver: string
}

/** The devices that the driver knows; none where there is no driver. */
export async function findGpus(): Promise<readonly Gpu[]> {
  const query = await execa(
    'nvidia-smi',
    ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader,nounits'],
    { reject: false, stdin: 'ignore', timeout: 20_000 },
  )
  return query.failed ? [] : parseGpus(query.stdout)
}

export function parseGpus(csv: string): Gpu[] {
  return csv.split('\n').flatMap((line) => {
    const [name, memory, driver] = line.split(',').map((part) => part.trim())
    return name && memory && driver ? [{ name, memoryMib: Number(memory), driver }] : []
  })
}

/** @param device what a worker computes on; undefined if no worker could be started. */
export function gpuFinding(
  gpus: readonly Gpu[],
  device: string | undefined,
  torch: string | undefined,
): Finding {
  const details = { gpus, device: device ?? null }
  const names = gpus.map(({ name, memoryMib }) => `${name} (${Math.round(memoryMib / 1024)} GiB)`).join(', ')
  if (gpus.length === 0) {
    const message = 'no NVIDIA GPU: everything runs on the CPU'
    return { name: 'gpu', status: 'note', message: `${message} (the tiny pipelines do)`, details }
  }
  if (device?.startsWith('cpu') === true) {
    return {
      name: 'gpu',
      status: 'warning',
      message: `${names}, driver ${gpus[0]?.driver}, but torch ${torch ?? ''} does not see it`,
      fix: 'Install a CUDA build that fits the driver: `elenchus setup --torch "torch==<version>+<cuda>" --pip-args "--extra-index-url <index>"`, or `--torch keep --python <interpreter that has one>`. Is CUDA_VISIBLE_DEVICES empty?',
      details,
    }
  }
  return { name: 'gpu', status: 'ok', message: `${names}, driver ${gpus[0]?.driver}`, details }
}
