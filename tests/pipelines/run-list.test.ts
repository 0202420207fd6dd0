import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compareRuns, describeRun, listRuns } from '../../src/pipelines/run-list.ts'
import { readReport } from '../../src/pipelines/report/read.ts'
import { readManifest } from '../../src/runs/manifest.ts'
import { openStage } from '../../src/runs/stage.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'elenchus-runs-'))
  for (const [name, beta] of [
    ['a', 0.1],
    ['b', 0.2],
  ] as const) {
    const dir = join(root, 'outputs', name)
    await mkdir(dir, { recursive: true })
    const record = {
      format: 1,
      pipeline: 'oak',
      started_at: `2026-01-0${name === 'a' ? 1 : 2}T00:00:00.000Z`,
      ...(name === 'a' && { finished_at: '2026-01-01T01:00:00.000Z' }),
      versions: {},
      config: { dpo: { beta }, seed: 1 },
    }
    await writeFile(join(dir, 'run.json'), JSON.stringify(record))
  }
  const spec = { stage: 'dpo', config: { beta: 0.1 }, inputs: {}, resume: false }
  await using finished = await openStage({ ...spec, dir: join(root, 'outputs/a/dpo/iter1') })
  await finished.finish({ ok: true })
  await using alone = await openStage({ ...spec, dir: join(root, 'outputs/alone') })
  await writeFile(alone.path('note'), '')
  // Somebody else's manifest is no run.
  await mkdir(join(root, 'outputs/web'))
  await writeFile(join(root, 'outputs/web/manifest.json'), '{"name":"app"}')
})
afterAll(() => rm(root, { recursive: true, force: true }))

test('lists pipelines and single stages, newest first, stages of a pipeline not apart', async () => {
  const runs = await listRuns(root)
  expect(runs.map(({ dir, kind, state }) => [dir.slice(root.length + 1), kind, state])).toEqual([
    ['outputs/alone', 'dpo', 'unfinished'],
    ['outputs/b', 'oak', 'unfinished'],
    ['outputs/a', 'oak', 'finished'],
  ])
  expect(await listRuns(join(root, 'nothing'))).toEqual([])
})

test('describes a run with its stages; what is none is said to be none', async () => {
  const run = await describeRun(join(root, 'outputs/a'))
  expect(run.record?.pipeline).toBe('oak')
  expect(run.stages).toMatchObject([{ stage: 'dpo', dir: 'dpo/iter1', state: 'finished', attempts: 1 }])
  await expect(describeRun(join(root, 'outputs/web'))).rejects.toMatchObject({ code: 'file_missing' })
})

test('credentials that a run of earlier days wrote down are shown by nothing', async () => {
  const dir = join(root, 'old')
  await cp(join(root, 'outputs/a'), dir, { recursive: true })
  const config = { hub: { token: 'topsecret1' }, extra: ['--api-key', 'topsecret2'] }
  for (const [file, more] of [
    ['run.json', { config }],
    ['dpo/iter1/manifest.json', { config, attempts: undefined }],
  ] as const) {
    const before = JSON.parse(await readFile(join(dir, file), 'utf8')) as { attempts?: object[] }
    const attempts = before.attempts?.map((each) => ({
      ...each,
      placement: { url: 'http://u:topsecret3@h' },
    }))
    await writeFile(join(dir, file), JSON.stringify({ ...before, ...more, attempts }))
  }
  const stage = join(dir, 'dpo/iter1')
  const shown = await Promise.all([
    describeRun(dir),
    compareRuns(dir, join(root, 'outputs/b')),
    readManifest(stage),
    readReport(dir),
    readReport(stage),
  ])
  expect(JSON.stringify(shown)).toContain('[redacted]')
  expect(JSON.stringify(shown)).not.toContain('topsecret')
})

test('compares settings', async () => {
  const [a, b] = [join(root, 'outputs/a'), join(root, 'outputs/b')]
  expect(await compareRuns(a, b)).toEqual(['dpo.beta: 0.1 -> 0.2'])
  expect(await compareRuns(a, a)).toEqual([])
})
