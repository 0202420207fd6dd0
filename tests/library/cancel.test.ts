import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ElenchusError, openRun } from 'elenchus'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { throwIfCancelled } from '../../src/errors.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'elenchus-cancel-'))
  await writeFile(join(dir, 'metrics.jsonl'), '{"stage":"dpo","step":1,"loss":0.5}\n')
})
afterAll(() => rm(dir, { recursive: true }))

test('openRun and the reports of an opened run end with cancelled', async () => {
  await expect(openRun(dir, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
  const controller = new AbortController()
  const run = await openRun(dir, { signal: controller.signal })
  expect((await run.report()).curves).toHaveLength(1)
  controller.abort()
  await expect(run.report()).rejects.toMatchObject({ code: 'cancelled' })
  await expect(run.reportPage()).rejects.toMatchObject({ code: 'cancelled' })
  await expect(run.report({ signal: new AbortController().signal })).resolves.toHaveProperty('curves')
})

test('the reason of a signal survives where it is one of our errors, and gets a code where it is not', () => {
  const reason = new ElenchusError('cancelled', 'Stopped by SIGTERM.')
  expect(() => throwIfCancelled(AbortSignal.abort(reason), 'It')).toThrow(reason)
  expect(() => throwIfCancelled(AbortSignal.abort('no more'), 'It')).toThrow('It was cancelled.')
  expect(() => throwIfCancelled(new AbortController().signal, 'It')).not.toThrow()
})
