import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FastifyInstance } from 'fastify'
import { createService } from '../../examples/fastify-service.ts'
import { workerPython } from '../bridge/worker-python.ts'

const CONFIG = join(import.meta.dirname, '../../configs/tiny.chaos.oak.yaml')

/** A real run with real workers, cancelled as soon as it trains. */
describe.skipIf(workerPython === null)('the Fastify service', { timeout: 300_000 }, () => {
  let folder: string
  let app: FastifyInstance
  let url: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'elenchus-service-'))
    app = createService({ runs: folder })
    url = await app.listen({ port: 0, host: '127.0.0.1' })
  })
  afterAll(async () => {
    await app.close()
    await rm(folder, { recursive: true, force: true })
  })

  const post = (body: unknown): Promise<Response> =>
    fetch(`${url}/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })

  test('starts a run, streams its events, cancels it and serves its report', async () => {
    const started = await post({ config: CONFIG, set: ['iterations=1'] })
    expect(started.status).toBe(202)
    const { id } = (await started.json()) as { id: string }
    const stream = await fetch(`${url}/runs/${id}/events`)
    expect(stream.headers.get('content-type')).toBe('text/event-stream')
    let seen = ''
    let cancelled: Promise<Response> | undefined
    for await (const part of stream.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      seen += part
      if (cancelled === undefined && seen.includes('event: progress')) {
        cancelled = fetch(`${url}/runs/${id}`, { method: 'DELETE' })
      }
    }
    expect((await cancelled)?.status).toBe(204)
    expect(seen).toMatch(/^event: stage_started\ndata: \{.*"stage":"base\/drill"/)
    expect(seen).toMatch(/event: end\n/)
    expect(await (await fetch(`${url}/runs/${id}`)).json()).toMatchObject({
      state: 'cancelled',
      code: 'cancelled',
    })
    const report = await fetch(`${url}/runs/${id}/report`)
    expect(report.headers.get('content-type')).toMatch(/^text\/html/)
    expect(await report.text()).toMatch(/^<!doctype html>/i)
  })

  test('answers mistakes with what is wrong', async () => {
    const missing = await post({ config: 'nowhere.yaml' })
    expect(missing.status).toBe(404)
    const wrong = await post({ config: CONFIG, set: ['iterations=-1'] })
    expect(wrong.status).toBe(400)
    expect(await wrong.json()).toMatchObject({ code: 'config_invalid' })
    expect((await fetch(`${url}/runs/7`)).status).toBe(404)
  })
})
