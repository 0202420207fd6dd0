import { type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import * as z from 'zod'
import { ElenchusError } from '../../errors.ts'
import type { Launch, Launcher, WorkerProcess } from '../launcher.ts'
import { choosePython, RUNTIME_FOLDER } from './python.ts'
import { followJob, leftoverJob, type Job, type JobState } from './scheduler-job.ts'
import { shellQuoted } from './shell.ts'

export interface RayOptions {
  /** Of the head's dashboard, which serves the Jobs API. */
  readonly address: string
  /** The interpreter of the workers, on every node. */
  readonly python?: string | undefined
  readonly gpusPerRank: number
  readonly cpusPerRank: number
  readonly ranks: number
  readonly threads?: number | undefined
  readonly intervalMs?: number
}

const INTERVAL_MS = 2000
const TIMEOUT_MS = 30_000
const ENDED = new Set(['STOPPED', 'SUCCEEDED', 'FAILED'])

const submittedSchema = z.looseObject({ submission_id: z.string() })
const infoSchema = z.looseObject({ status: z.string(), message: z.string().nullish() })

/**
 * Has a Ray cluster run all ranks as one job, submitted by the Jobs API over plain HTTP; Ray places the ranks.
 * The log folder must be on a file system that the nodes see.
 */
export function rayLauncher(options: RayOptions): Launcher {
  const api = `${options.address.replace(/\/+$/, '')}/api`
  const interval = options.intervalMs ?? INTERVAL_MS
  return {
    name: 'ray',
    defaultRanks: options.ranks,
    sharesFiles: true,
    mixesOutput: true,
    restarts: 'group',
    async prepare() {
      await ask(`${api}/version`, 'GET')
    },
    render: (launch) => [
      {
        title: `all ranks, placed by Ray at ${options.address}`,
        argv: ['POST', `${api}/jobs/`],
        environment: {},
        script: JSON.stringify(submission(launch, options), null, 2),
      },
    ],
    async launch(launch) {
      const answer = submittedSchema.parse(await ask(`${api}/jobs/`, 'POST', submission(launch, options)))
      return followJob(rayJob(api, answer.submission_id), launch, 'ray', interval)
    },
    async reattach(logDirectory): Promise<WorkerProcess | null> {
      const id = await leftoverJob(logDirectory, 'ray')
      if (id === null) return null
      const launch = { ranks: [{ rank: 0, logFile: join(logDirectory, 'ray.log') }], logDirectory }
      const [job] = await followJob(rayJob(api, id), launch, 'ray', interval)
      return job ?? null
    },
  }
}

/** The job as the API takes it. Its ranks read the connection file; nothing secret stands in it. */
function submission(launch: Launch, options: RayOptions): Record<string, unknown> {
  const { ranks: _, cpusPerRank, gpusPerRank } = options
  const worker = choosePython(options.python)
  const parameters = [launch.worldSize, cpusPerRank, gpusPerRank, worker].map(String)
  return {
    // The interpreter of the cluster itself: it has Ray; that of the workers need not.
    entrypoint: ['python', '-m', 'elenchus_runtime.ray_ranks', ...parameters.map(shellQuoted)].join(' '),
    runtime_env: {
      env_vars: {
        ELENCHUS_CONNECTION: launch.connectionFile,
        PYTHONPATH: RUNTIME_FOLDER,
        PYTHONUNBUFFERED: '1',
        ...(options.threads !== undefined && { OMP_NUM_THREADS: String(options.threads) }),
      },
    },
    metadata: { name: 'elenchus', epoch: String(launch.epoch) },
  }
}

function rayJob(api: string, id: string): Job {
  const url = `${api}/jobs/${encodeURIComponent(id)}`
  return {
    id,
    async state(): Promise<JobState> {
      const { status, message } = infoSchema.parse(await ask(url, 'GET'))
      if (!ENDED.has(status)) return { over: false }
      return {
        over: true,
        exit: { code: null, signal: null, reason: `Ray job ${id} is ${status}: ${message ?? 'no message'}` },
      }
    },
    async stop() {
      await ask(`${url}/stop`, 'POST', {})
    },
  }
}

async function ask(url: string, method: 'GET' | 'POST', body?: unknown): Promise<unknown> {
  let status: number | undefined
  let text: string
  try {
    ;({ status, text } = await send(url, method, body))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ElenchusError('environment', `Ray's Jobs API at ${url} does not answer: ${why}.`, {
      hint: 'Start a cluster (`ray start --head`), or name its dashboard with backend.ray_address.',
      cause,
    })
  }
  if (status === undefined || status >= 300) {
    throw new ElenchusError('environment', `Ray refused ${method} ${url} (${status}): ${text}`)
  }
  return JSON.parse(text)
}

/** Not `fetch`: by the headers that it adds, Ray takes it for a browser, and refuses its POST. */
async function send(
  url: string,
  method: 'GET' | 'POST',
  body: unknown,
): Promise<{ readonly status: number | undefined; readonly text: string }> {
  const content = body === undefined ? undefined : JSON.stringify(body)
  const request = (url.startsWith('https:') ? httpsRequest : httpRequest)(url, {
    method,
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(content !== undefined && {
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) },
    }),
  })
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve).on('error', reject)
    request.end(content)
  })
  let text = ''
  for await (const part of reply.setEncoding('utf8')) text += String(part)
  return { status: reply.statusCode, text }
}
