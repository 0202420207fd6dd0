import { mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { describeDifferences } from '../../src/runs/difference.ts'
import { readManifest } from '../../src/runs/manifest.ts'
import { ownIdentity } from '../../src/runs/process-identity.ts'
import { openStage, type StageSpec } from '../../src/runs/stage.ts'

let dir: string
let spec: StageSpec
beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), 'elenchus-')), 'run')
  spec = {
    dir,
    stage: 'dpo',
    config: { beta: 0.1, lora: { rank: 16, targets: ['q', 'v'] }, unset: undefined },
    placement: { launcher: 'spawn' },
    inputs: { pairs: 'aa', start: 'bb' },
    resume: false,
  }
})
afterEach(() => rm(join(dir, '..'), { recursive: true }))

const files = async (): Promise<string[]> => (await readdir(dir)).sort()

test('a new stage is locked while it is open, and leaves a manifest', async () => {
  {
    await using run = await openStage(spec)
    expect(run.state).toBe('new')
    expect(run.summary).toBeUndefined()
    expect(run.path('final', 'x')).toBe(join(dir, 'final/x'))
    expect(await files()).toEqual(['manifest.json', 'run.lock'])
  }
  expect(await files()).toEqual(['manifest.json'])
  expect(await readManifest(dir)).toMatchObject({
    format: 1,
    stage: 'dpo',
    state: 'running',
    config: { beta: 0.1, lora: { rank: 16, targets: ['q', 'v'] } },
    inputs: { pairs: 'aa', start: 'bb' },
    attempts: [
      {
        pid: process.pid,
        placement: { launcher: 'spawn' },
        started_at: expect.any(String),
        ended_at: expect.any(String),
        versions: { node: process.version, elenchus: expect.any(String) },
      },
    ],
  })
})

test('an interrupted stage is continued with resume only, on any placement', async () => {
  await (await openStage(spec))[Symbol.asyncDispose]()
  await expect(openStage(spec)).rejects.toMatchObject({ code: 'run_exists' })
  await expect(openStage(spec)).rejects.toThrow(/an unfinished run of the stage "dpo"/)
  await using run = await openStage({ ...spec, placement: { launcher: 'torchrun' }, resume: true })
  expect(run.state).toBe('resumed')
  const attempts = (await readManifest(dir))?.attempts
  expect(attempts?.map((attempt) => attempt.placement)).toEqual([
    { launcher: 'spawn' },
    { launcher: 'torchrun' },
  ])
  expect(attempts?.map((attempt) => attempt.ended_at === undefined)).toEqual([false, true])
})

test('what only concerns memory may be another when it is continued', async () => {
  const settings = (config: object) => ({
    ...spec,
    config: { beta: 0.1, ...config },
    free: ['micro_batch_tokens'],
  })
  await (await openStage(settings({ micro_batch_tokens: 8192 })))[Symbol.asyncDispose]()
  await (await openStage({ ...settings({ micro_batch_tokens: 512 }), resume: true }))[Symbol.asyncDispose]()
  const other = { ...settings({ micro_batch_tokens: 512, beta: 0.2 }), resume: true }
  await expect(openStage(other)).rejects.toMatchObject({ details: { differences: ['beta: 0.1 -> 0.2'] } })
})

test('seconds are those of all attempts; of one that was killed, until it last wrote anything', async () => {
  const records = join(dir, '../records.jsonl')
  const files = { ...spec, files: [records], resume: true }
  {
    await using run = await openStage(files)
    expect(run.earlierSeconds).toBe(0)
    await writeFile(records, '')
  }
  const manifest = await readManifest(dir)
  const started_at = '2026-01-01T00:00:00.000Z'
  const attempt = { ...manifest!.attempts[0]!, started_at }
  const killed = { ...attempt, ended_at: undefined, started_at: '2026-01-01T00:02:00.000Z' }
  const attempts = [{ ...attempt, ended_at: '2026-01-01T00:01:00.000Z' }, killed]
  const path = join(dir, 'manifest.json')
  await writeFile(path, JSON.stringify({ ...manifest, attempts }))
  await utimes(path, new Date(killed.started_at), new Date(killed.started_at))
  await utimes(records, new Date('2026-01-01T00:02:30Z'), new Date('2026-01-01T00:02:30Z'))
  await using run = await openStage(files)
  expect(run.earlierSeconds).toBe(60 + 30)
  expect((await readManifest(dir))?.attempts.map(({ ended_at }) => ended_at)).toEqual([
    '2026-01-01T00:01:00.000Z',
    '2026-01-01T00:02:30.000Z',
    undefined,
  ])
})

test('credentials are written nowhere, and another one is no other setting; all else still is', async () => {
  const withToken = (token: string, beta = 0.1) => ({
    ...spec,
    config: { beta, hub: { hf_token: token, url: `https://me:${token}@example.org/` } },
    placement: { options: ['--api-key', token] },
  })
  await (await openStage(withToken('first')))[Symbol.asyncDispose]()
  await (await openStage({ ...withToken('second'), resume: true }))[Symbol.asyncDispose]()
  expect(await readFile(join(dir, 'manifest.json'), 'utf8')).not.toMatch(/first|second/)
  const manifest = await readManifest(dir)
  expect(manifest?.config).toEqual({
    beta: 0.1,
    hub: { hf_token: '[redacted]', url: 'https://[redacted]@example.org/' },
  })
  expect(manifest?.attempts.map(({ placement }) => placement)).toEqual([
    { options: ['--api-key', '[redacted]'] },
    { options: ['--api-key', '[redacted]'] },
  ])
  await expect(openStage({ ...withToken('second', 0.2), resume: true })).rejects.toMatchObject({
    code: 'config_changed',
    details: { differences: ['beta: 0.1 -> 0.2'] },
  })
})

test('a manifest that holds a credential from before loses it, and can be resumed', async () => {
  await (await openStage(spec))[Symbol.asyncDispose]()
  const path = join(dir, 'manifest.json')
  const manifest = await readManifest(dir)
  await writeFile(path, JSON.stringify({ ...manifest, config: { password: 'old' } }))
  await using _ = await openStage({ ...spec, config: { password: 'new' }, resume: true })
  expect((await readManifest(dir))?.config).toEqual({ password: '[redacted]' })
})

test('resume where nothing is starts anew', async () => {
  await using run = await openStage({ ...spec, resume: true })
  expect(run.state).toBe('new')
})

test('a finished stage gives its summary, to many at once and without a lock', async () => {
  {
    await using run = await openStage<{ loss: number }>(spec)
    await run.finish({ loss: 0.25 })
    expect(run.summary).toEqual({ loss: 0.25 })
  }
  expect((await readManifest(dir))?.state).toBe('finished')
  await expect(openStage(spec)).rejects.toThrow(/a finished run/)
  await using first = await openStage<{ loss: number }>({ ...spec, resume: true })
  await using second = await openStage<{ loss: number }>({ ...spec, resume: true })
  expect([first.state, second.state]).toEqual(['finished', 'finished'])
  expect(second.summary?.loss).toBe(0.25)
  expect(await files()).toEqual(['manifest.json', 'summary.json'])
  await expect(first.finish({ loss: 1 })).rejects.toMatchObject({ code: 'internal' })
  await rm(join(dir, 'summary.json'))
  await expect(openStage({ ...spec, resume: true })).rejects.toMatchObject({ code: 'file_missing' })
})

test('a finished stage whose process died before it gave up its lock loses that, not one of the living', async () => {
  {
    await using run = await openStage(spec)
    await run.finish({ rows: 3 })
  }
  const lock = join(dir, 'run.lock')
  await writeFile(lock, JSON.stringify({ ...ownIdentity(), pid: 2 ** 30 }))
  expect((await openStage({ ...spec, resume: true })).state).toBe('finished')
  expect(await files()).not.toContain('run.lock')

  await writeFile(lock, JSON.stringify(ownIdentity()))
  expect((await openStage({ ...spec, resume: true })).state).toBe('finished')
  expect(await files()).toContain('run.lock')
})

test.each(['unfinished', 'finished'])(
  'changed settings of an %s stage are refused, each named',
  async (state) => {
    {
      await using run = await openStage(spec)
      if (state === 'finished') await run.finish({})
    }
    const changed = openStage({
      ...spec,
      resume: true,
      config: { beta: 0.2, lora: { rank: 16, targets: ['q', 'k'] }, extra: 'new' },
      inputs: { pairs: 'cc', start: 'bb' },
    })
    await expect(changed).rejects.toMatchObject({
      code: 'config_changed',
      details: {
        differences: [
          'beta: 0.1 -> 0.2',
          'extra: (absent) -> "new"',
          'lora.targets[1]: "v" -> "k"',
          'inputs.pairs: "aa" -> "cc"',
        ],
      },
    })
    await expect(changed).rejects.toThrow(/beta: 0\.1 -> 0\.2/)
    await expect(openStage({ ...spec, resume: true, stage: 'sft' })).rejects.toThrow(/stage: "dpo" -> "sft"/)
    expect(await files()).not.toContain('run.lock')
  },
)

test('a directory that is in use is refused, also to the process that uses it', async () => {
  await using run = await openStage(spec)
  await expect(openStage({ ...spec, resume: true })).rejects.toMatchObject({
    code: 'run_locked',
    details: { pid: process.pid },
  })
  await run.finish({})
})

test('a stage whose lock was taken over does not finish, and leaves the lock of the other', async () => {
  const run = await openStage(spec)
  await writeFile(join(dir, 'run.lock'), 'another')
  await expect(run.finish({})).rejects.toMatchObject({ code: 'run_locked' })
  await run[Symbol.asyncDispose]()
  expect(await readFile(join(dir, 'run.lock'), 'utf8')).toBe('another')
  expect((await readManifest(dir))?.state).toBe('running')
})

test('a damaged manifest is named', async () => {
  await (await openStage(spec))[Symbol.asyncDispose]()
  const path = join(dir, 'manifest.json')
  await writeFile(path, '{"format":2}')
  await expect(openStage({ ...spec, resume: true })).rejects.toThrow(`${path} is no manifest: format`)
  await writeFile(path, '{')
  await expect(openStage({ ...spec, resume: true })).rejects.toMatchObject({ code: 'record_invalid' })
})

test('a config that is no JSON is refused before anything is written', async () => {
  await expect(openStage({ ...spec, config: { beta: Number.NaN } })).rejects.toThrow(/beta: the number NaN/)
  expect(await files()).toEqual([])
})

describe('differences', () => {
  test.each([
    [{ a: 1 }, { a: 1 }, []],
    [{ a: null }, { a: 0 }, ['a: null -> 0']],
    [{ a: [1] }, { a: [1, 2] }, ['a: [1] -> [1,2]']],
    [{ a: { b: 1 } }, { a: [1] }, ['a: {"b":1} -> [1]']],
    [{ a: 'x'.repeat(200) }, {}, [`a: "${'x'.repeat(76)}... -> (absent)`]],
  ])('%j and %j', (before, after, expected) => {
    expect(describeDifferences(before, after)).toEqual(expected)
  })
})
