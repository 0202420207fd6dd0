import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ElenchusError } from '../../src/errors.ts'
import { readRunRecord, recorded } from '../../src/pipelines/run-record.ts'
import { setAside } from '../../src/pipelines/set-aside.ts'
import { FileLock } from '../../src/runs/lock.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-set-aside-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

interface Config {
  readonly pipeline: 'oak'
  readonly output: string
  readonly seed: number
  readonly backend: { readonly threads: number }
}

const config = (seed: number, threads = 1): Config => ({
  pipeline: 'oak',
  output: join(folder, 'run'),
  seed,
  backend: { threads },
})

async function finishedRun(seed: number): Promise<void> {
  await mkdir(config(seed).output, { recursive: true })
  await recorded(config(seed), async () => {
    await writeFile(join(config(seed).output, 'summary.json'), `{"seed":${seed}}`)
  })
}

test('what a stage refuses is told in the settings of the run', async () => {
  await finishedRun(1)
  const refusal = new ElenchusError('config_changed', 'base was made with other settings: seed 77 -> 88', {
    details: { dir: 'base' },
  })
  const refused = recorded(config(2), () => Promise.reject(refusal))
  await expect(refused).rejects.toMatchObject({
    code: 'config_changed',
    message: `The run that is there has other settings:\n  seed: 1 -> 2\nThe first stage to refuse them: ${refusal.message}`,
    details: { dir: 'base', settings: ['seed: 1 -> 2'] },
  })
  // Where nothing differs, the stage knows better.
  await expect(recorded(config(1, 4), () => Promise.reject(refusal))).rejects.toBe(refusal)
})

test('credentials are written nowhere, and another one is no other setting', async () => {
  const withToken = (token: string) => ({ ...config(1), headers: { authorization: `Bearer ${token}` } })
  await mkdir(config(1).output, { recursive: true })
  await expect(recorded(withToken('first'), () => Promise.reject(new Error('stopped')))).rejects.toThrow()
  const path = join(config(1).output, 'run.json')
  expect(await readFile(path, 'utf8')).not.toContain('first')
  await recorded(withToken('first'), () => Promise.resolve())
  expect(await readFile(path, 'utf8')).not.toContain('first')
  expect((await readRunRecord(config(1).output))?.config).toEqual({
    ...config(1),
    headers: { authorization: '[redacted]' },
  })
  expect(await setAside(withToken('second'))).toBeUndefined()
})

test('a run with other settings is renamed, whole, to the first free name', async () => {
  await finishedRun(1)
  const moved = await setAside(config(2))
  expect(moved).toEqual({ path: join(folder, 'run.1'), differences: ['seed: 1 -> 2'] })
  expect(await readFile(join(folder, 'run.1', 'summary.json'), 'utf8')).toBe('{"seed":1}')
  await finishedRun(2)
  expect((await setAside(config(3)))?.path).toBe(join(folder, 'run.2'))
})

test('the same settings, computed elsewhere, stay where they are', async () => {
  await finishedRun(1)
  expect(await setAside(config(1, 8))).toBeUndefined()
  expect(await readFile(join(folder, 'run', 'summary.json'), 'utf8')).toBe('{"seed":1}')
})

test('nothing there, nothing moved', async () => {
  expect(await setAside(config(1))).toBeUndefined()
})

test('a run that somebody works in is not moved from under him', async () => {
  await finishedRun(1)
  await mkdir(join(folder, 'run', 'sft'))
  await using _ = await FileLock.acquire(join(folder, 'run', 'sft', 'run.lock'))
  await expect(setAside(config(2))).rejects.toMatchObject({ code: 'run_locked', retryable: true })
  expect((await readRunRecord(join(folder, 'run')))?.config).toMatchObject({ seed: 1 })
})

test('the seconds of a run are those of all its attempts, and looking again adds none', async () => {
  const run = config(1)
  await mkdir(run.output)
  const failing = recorded(run, () => Promise.reject(new Error('stopped')))
  await expect(failing).rejects.toThrow('stopped')
  // A kill leaves an attempt without an end; the last file that it wrote says how far it came.
  const path = join(run.output, 'run.json')
  const killed = {
    ...(await readRunRecord(run.output)),
    attempts: [{ started_at: '2026-01-01T00:00:00.000Z' }],
  }
  await writeFile(path, JSON.stringify(killed))
  await utimes(path, new Date('2026-01-01T00:01:30Z'), new Date('2026-01-01T00:01:30Z'))
  const whole = await recorded(run, (wallSeconds) => Promise.resolve(wallSeconds()))
  expect(whole).toBeGreaterThanOrEqual(90)
  expect(whole).toBeLessThan(150)
  const { attempts } = (await readRunRecord(run.output)) ?? {}
  expect(attempts).toHaveLength(2)
  const again = await recorded(run, (wallSeconds) => Promise.resolve(wallSeconds()))
  expect(again).toBeGreaterThanOrEqual(whole)
  expect(again).toBe(await recorded(run, (wallSeconds) => Promise.resolve(wallSeconds())))
  expect((await readRunRecord(run.output))?.attempts).toEqual(attempts)
})
