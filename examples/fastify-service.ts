/**
 * Elenchus inside a service: start a run, follow its events, cancel it, read its report.
 *
 *     node examples/fastify-service.ts        # Node 22.18 or newer; elsewhere `npx tsx`
 *     curl -X POST localhost:3000/runs -H 'content-type: application/json' -d '{"config": "configs/tiny.oak.yaml"}'
 *     curl -N localhost:3000/runs/1/events
 *     curl -X DELETE localhost:3000/runs/1
 *     curl localhost:3000/runs/1/report > report.html
 */
import { join } from 'node:path'
import {
  ElenchusError,
  loadConfig,
  openRun,
  parseOverride,
  pipelineSchema,
  type PipelineRun,
  type RunEvent,
  runPipeline,
} from 'elenchus'
import fastify, { type FastifyInstance } from 'fastify'

interface Job {
  readonly run: PipelineRun<unknown>
  readonly events: RunEvent[]
  readonly readers: Set<(event: RunEvent | null) => void>
  state: 'running' | 'finished' | 'cancelled' | 'failed'
  error?: ElenchusError
}

interface StartBody {
  /** A configuration file of `elenchus run`. */
  readonly config: string
  /** For example `["iterations=1"]`. */
  readonly set?: string[]
}

/** The service; `runs` is the folder that gets one directory per run. */
export function createService(options: {
  readonly runs: string
  readonly logger?: boolean
}): FastifyInstance {
  const app = fastify({ logger: options.logger ?? false, forceCloseConnections: true })
  const jobs = new Map<string, Job>()

  app.setErrorHandler((error, _request, reply) => {
    if (!ElenchusError.is(error)) return reply.send(error)
    const { code, message, hint, retryable, details } = error
    const status = code === 'file_missing' ? 404 : error.exitCode === 2 ? 400 : 500
    return reply.status(status).send({ code, message, hint, retryable, details })
  })

  function job(id: string): Job {
    const found = jobs.get(id)
    if (found === undefined) throw new ElenchusError('file_missing', `There is no run ${id}.`)
    return found
  }

  app.post<{ Body: StartBody }>('/runs', async (request, reply) => {
    const id = String(jobs.size + 1)
    const { config: path, set = [] } = request.body
    const overrides = [...set, `output=${join(options.runs, id)}`].map(parseOverride)
    const config = await loadConfig(path, pipelineSchema, overrides)
    // The logger of fastify is pino, and takes the lines of the run.
    const run = runPipeline(config, { logger: request.log })
    const started: Job = { run, events: [], readers: new Set(), state: 'running' }
    jobs.set(id, started)
    void follow(started)
    return reply.status(202).send({ id, dir: run.dir })
  })

  app.get<{ Params: { id: string } }>('/runs/:id', (request) => {
    const { state, run, error } = job(request.params.id)
    return {
      state,
      dir: run.dir,
      ...(error && { code: error.code, message: error.message, hint: error.hint }),
    }
  })

  app.get<{ Params: { id: string } }>('/runs/:id/events', (request, reply) => {
    const { events, readers, state } = job(request.params.id)
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    const send = (event: RunEvent | null): void => {
      if (event === null) reply.raw.end('event: end\ndata: {}\n\n')
      else reply.raw.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    }
    for (const event of events) send(event)
    if (state !== 'running') return send(null)
    readers.add(send)
    reply.raw.once('close', () => readers.delete(send))
  })

  app.delete<{ Params: { id: string } }>('/runs/:id', async (request, reply) => {
    const { run } = job(request.params.id)
    run.cancel()
    await run.summary.catch(() => undefined)
    return reply.status(204).send()
  })

  app.get<{ Params: { id: string } }>('/runs/:id/report', async (request, reply) => {
    const { run } = job(request.params.id)
    const page = await (await openRun(run.dir)).reportPage()
    return reply.type('text/html; charset=utf-8').send(page)
  })

  // A service that stops leaves runs that can be resumed, and no workers.
  app.addHook('preClose', async () => {
    for (const { run } of jobs.values()) run.cancel()
    await Promise.allSettled([...jobs.values()].map(({ run }) => run.summary))
  })
  return app
}

/** Keeps the events for readers who come later; of a stage's progress and of the workers' states, the latest. */
async function follow(job: Job): Promise<void> {
  try {
    for await (const event of job.run) {
      const last = job.events.at(-1)
      const passes = event.type === 'progress' || event.type === 'workers'
      if (passes && last?.type === event.type && last.stage === event.stage) job.events.pop()
      job.events.push(event)
      for (const send of job.readers) send(event)
    }
    job.state = 'finished'
  } catch (error) {
    job.state = ElenchusError.is(error) && error.code === 'cancelled' ? 'cancelled' : 'failed'
    if (ElenchusError.is(error)) job.error = error
  }
  for (const send of job.readers) send(null)
}

if (import.meta.filename === process.argv[1]) {
  const app = createService({ runs: 'outputs/service', logger: true })
  await app.listen({ port: 3000 })
}
