import { mkdtemp, readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FileLock } from '../../src/runs/lock.ts'
import { lifeOf, ownIdentity } from '../../src/runs/process-identity.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-'))
  path = join(folder, 'run.lock')
})
afterEach(() => rm(folder, { recursive: true }))

test('an identity tells living, dead and invisible processes apart', () => {
  const own = ownIdentity()
  expect(lifeOf(own)).toBe('alive')
  expect(lifeOf({ ...own, boot_id: null, start_ticks: null })).toBe('alive')
  // No system gives out this number.
  expect(lifeOf({ ...own, pid: 2 ** 30 })).toBe('dead')
  expect(lifeOf({ ...own, pid: 2 ** 30, boot_id: null, start_ticks: null })).toBe('dead')
  expect(lifeOf({ ...own, boot_id: null, host: 'elsewhere' })).toBe('unknown')
})

test.skipIf(process.platform !== 'linux')(
  'another boot or container is invisible, whatever its host is called',
  () => {
    const own = ownIdentity()
    expect(lifeOf({ ...own, boot_id: 'another' })).toBe('unknown')
    expect(lifeOf({ ...own, pid_namespace: 'pid:[1]' })).toBe('unknown')
    expect(lifeOf({ ...own, host: 'renamed' })).toBe('alive')
  },
)

test('of many that find one stale lock at the same time, exactly one gets it', async () => {
  for (let round = 0; round < 25; round++) {
    await writeFile(path, JSON.stringify({ ...ownIdentity(), boot_id: 'x', host: 'elsewhere' }))
    const old = Date.now() / 1000 - 600
    await utimes(path, old, old)
    const rivals = Array.from({ length: 6 }, async () => {
      await sleep(Math.random() * 3)
      return FileLock.acquire(path)
    })
    const results = await Promise.allSettled(rivals)
    const held = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    const refused = results.flatMap((result): unknown[] =>
      result.status === 'rejected' ? [result.reason] : [],
    )
    expect(held).toHaveLength(1)
    expect(held[0]?.held).toBe(true)
    for (const reason of refused) expect(reason).toMatchObject({ code: 'run_locked' })
    await held[0]?.[Symbol.asyncDispose]()
    expect(await readdir(folder)).toEqual([])
  }
})

test('a lock that cannot be made is an error of its folder, not of another process', async () => {
  await expect(FileLock.acquire(join(folder, 'missing', 'run.lock'))).rejects.toMatchObject({
    code: 'file_missing',
  })
})

test('the file names its owner for people who look', async () => {
  await using _lock = await FileLock.acquire(path)
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
    pid: process.pid,
    since: expect.any(String),
  })
})

test('its owner touches it, until it belongs to somebody else', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  try {
    await using lock = await FileLock.acquire(path)
    const touched = async (): Promise<boolean> => (await stat(path)).mtimeMs > Date.now() - 60_000
    const age = async (): Promise<void> => utimes(path, 1, 1)
    await age()
    vi.advanceTimersByTime(15_000)
    await vi.waitFor(async () => expect(await touched()).toBe(true))
    await writeFile(path, 'another')
    await age()
    vi.advanceTimersByTime(60_000)
    await sleep(50)
    expect(await touched()).toBe(false)
    expect(lock.held).toBe(false)
  } finally {
    vi.useRealTimers()
  }
})
