import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { ElenchusError } from '../../errors.ts'
import type { Launch, Launcher, WorkerProcess } from '../launcher.ts'
import { choosePython, RUNTIME_FOLDER } from './python.ts'
import { followJob, leftoverJob, type Job, type JobState } from './scheduler-job.ts'
import { shellQuoted } from './shell.ts'

export interface SlurmOptions {
  readonly python?: string | undefined
  readonly nodes: number
  readonly gpusPerNode: number
  readonly threads?: number | undefined
  readonly partition?: string | undefined
  readonly account?: string | undefined
  readonly time?: string | undefined
  /** Further `#SBATCH` options, for example `--qos=high`. */
  readonly options: readonly string[]
  readonly masterPort: number
  readonly intervalMs?: number
}

const INTERVAL_MS = 3000
/** What `squeue` says while a job may still run. */
const OPEN_STATES = /^(PENDING|CONFIGURING|RUNNING|SUSPENDED|COMPLETING|STAGE_OUT|REQUEUED|RESIZING|STOPPED)/

/**
 * Has SLURM run all ranks as one job: `sbatch` takes the script, `squeue` is asked how it goes, `scancel` ends it.
 * The log folder must be on a file system that the nodes see.
 */
export function slurmLauncher(options: SlurmOptions): Launcher {
  const perNode = Math.max(1, options.gpusPerNode)
  return {
    name: 'slurm',
    defaultRanks: options.nodes * perNode,
    sharesFiles: true,
    mixesOutput: true,
    restarts: 'group',
    async prepare() {
      for (const program of ['sbatch', 'squeue', 'scancel']) await slurm(program, ['--version'])
    },
    render: (launch) => [
      {
        title: `all ranks, on ${options.nodes} nodes of the cluster`,
        argv: ['sbatch', '--parsable', scriptPath(launch)],
        environment: {},
        script: slurmScript(launch, options),
      },
    ],
    async launch(launch) {
      await writeFile(scriptPath(launch), slurmScript(launch, options), { mode: 0o700 })
      const output = await slurm('sbatch', ['--parsable', scriptPath(launch)])
      const id = /^(\d+)(?:;.*)?$/.exec(output.trim())?.[1]
      if (id === undefined) {
        throw new ElenchusError('environment', `sbatch answered "${output.trim()}", not a job number.`)
      }
      return followJob(slurmJob(id), launch, 'slurm', options.intervalMs ?? INTERVAL_MS)
    },
    async reattach(logDirectory): Promise<WorkerProcess | null> {
      const id = await leftoverJob(logDirectory, 'slurm')
      if (id === null) return null
      const launch = { ranks: [{ rank: 0, logFile: join(logDirectory, 'slurm.log') }], logDirectory }
      const [job] = await followJob(slurmJob(id), launch, 'slurm', options.intervalMs ?? INTERVAL_MS)
      return job ?? null
    },
  }
}

function scriptPath({ logDirectory, epoch }: Launch): string {
  return join(logDirectory, `launch.${epoch}.sbatch`)
}

/** The batch script. Its ranks read the connection file; nothing secret stands in it. */
export function slurmScript(launch: Launch, options: SlurmOptions): string {
  if (launch.worldSize % options.nodes !== 0) {
    throw new ElenchusError(
      'config_invalid',
      `${launch.worldSize} workers cannot be dealt evenly to ${options.nodes} nodes.`,
    )
  }
  const settings = [
    '--job-name=elenchus',
    `--nodes=${options.nodes}`,
    `--ntasks=${launch.worldSize}`,
    `--ntasks-per-node=${launch.worldSize / options.nodes}`,
    ...(options.gpusPerNode > 0 ? [`--gpus-per-node=${options.gpusPerNode}`] : []),
    ...(options.partition === undefined ? [] : [`--partition=${options.partition}`]),
    ...(options.account === undefined ? [] : [`--account=${options.account}`]),
    ...(options.time === undefined ? [] : [`--time=${options.time}`]),
    // A job that SLURM starts again would greet with used tokens.
    '--no-requeue',
    '--kill-on-bad-exit=1',
    `--output=${join(launch.logDirectory, `launch.${launch.epoch}.log`)}`,
    ...options.options,
  ]
  // srun, not sbatch, knows what to do when one task ends.
  const batch = settings.filter((setting) => !setting.startsWith('--kill-on-bad-exit'))
  const environment = {
    ELENCHUS_CONNECTION: launch.connectionFile,
    PYTHONPATH: RUNTIME_FOLDER,
    PYTHONUNBUFFERED: '1',
    MASTER_PORT: String(options.masterPort),
    ...(options.threads !== undefined && { OMP_NUM_THREADS: String(options.threads) }),
  }
  return [
    '#!/bin/bash',
    ...batch.map((setting) => `#SBATCH ${setting}`),
    'set -euo pipefail',
    ...Object.entries(environment).map(([name, value]) => `export ${name}=${shellQuoted(value)}`),
    'MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
    'export MASTER_ADDR',
    `exec srun --kill-on-bad-exit=1 ${shellQuoted(choosePython(options.python))} -m elenchus_runtime.worker`,
    '',
  ].join('\n')
}

function slurmJob(id: string): Job {
  return {
    id,
    async state(): Promise<JobState> {
      const states = (await squeue(id)).split(/\s+/).filter((word) => word !== '')
      if (states.some((state) => OPEN_STATES.test(state))) return { over: false }
      const [last] = states
      const gone = 'is no longer in the queue'
      return {
        over: true,
        exit: { code: null, signal: null, reason: `job ${id} ${last === undefined ? gone : `is ${last}`}` },
      }
    },
    async stop() {
      await slurm('scancel', [id])
    },
  }
}

/** A job that ended a while ago is unknown to `squeue`, which it says as an error. */
async function squeue(id: string): Promise<string> {
  const outcome = await execa('squeue', ['--noheader', `--jobs=${id}`, '--format=%T'], {
    reject: false,
    stdin: 'ignore',
    timeout: 60_000,
  })
  if (!outcome.failed) return outcome.stdout
  if (/invalid job id/i.test(outcome.stderr)) return ''
  throw new Error(outcome.stderr === '' ? outcome.originalMessage : outcome.stderr)
}

async function slurm(program: string, parameters: readonly string[]): Promise<string> {
  const outcome = await execa(program, parameters, { reject: false, stdin: 'ignore', timeout: 60_000 })
  if (!outcome.failed) return outcome.stdout
  const why = outcome.stderr === '' ? (outcome.originalMessage ?? 'it failed') : outcome.stderr
  throw new ElenchusError('environment', `${program} failed: ${why}`, {
    hint: 'Run this where sbatch, squeue and scancel work, or choose another --launcher.',
  })
}
