import { execFile } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { readFlags } from '../../scripts/bench/conditions.ts'
import { mediansOf, rowsOf, switchesOf, totalOf } from '../../scripts/bench/stage-times.ts'
import { type Compiled, compile } from '../support/compiled.ts'

describe('benches refuse what they do not know', () => {
  let compiled: Compiled
  beforeAll(async () => {
    compiled = await compile('scripts/bench/plan.ts', 'scripts/bench/bridge.ts', 'scripts/bench/pipeline.ts')
  }, 60_000)
  afterAll(() => compiled[Symbol.asyncDispose]())

  const run = (bench: string, flags: string) =>
    new Promise<{ code: unknown; stdout: string; stderr: string }>((done) => {
      const args = [compiled.script(`scripts/bench/${bench}.ts`), ...flags.split(' ')]
      execFile(process.execPath, args, (error, stdout, stderr) => done({ code: error?.code, stdout, stderr }))
    })

  test.each([
    ['plan', '--models 7b', '--models 7b: a list of 10m, 30m'],
    ['plan', '--models 10m,7b', '--models 7b: a list of 10m, 30m'],
    ['plan', '--models 10m 30m', "Unexpected argument '30m'"],
    ['plan', '--stages nothing', '--stages nothing: a part of the name of "sampling'],
    ['bridge', '--jsonn', "Unknown option '--jsonn'"],
    ['pipeline', '--runs 0', '--runs 0: a whole number from 1'],
    ['pipeline', '--run 3', "Unknown option '--run'"],
  ])('bench:%s %s', async (bench, flags, message) => {
    const { code, stdout, stderr } = await run(bench, flags)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(message)
  })
})

test('`npm run bench:x --json`, which npm keeps to itself, means `-- --json`', () => {
  const given = process.argv
  process.argv = ['node', 'bench.js']
  try {
    const flags = { json: { type: 'boolean', default: false } } as const
    expect(readFlags(flags).json).toBe(false)
    vi.stubEnv('npm_config_json', 'true')
    expect(readFlags(flags).json).toBe(true)
  } finally {
    vi.unstubAllEnvs()
    process.argv = given
  }
})

describe('what bench:pipeline makes of events', () => {
  const timing = (worker: number) => ({
    wall_seconds: 12,
    start_seconds: 2,
    worker_seconds: worker,
    wire_seconds: 1,
    typescript_seconds: 9 - worker,
    workers_busy: 0.5,
  })
  const finished = (stage: string, at: number, summary: object) => ({
    type: 'stage_finished',
    stage,
    at,
    summary,
  })
  const progress = (stage: string, at: number) => ({ type: 'progress', stage, at })
  const events = (worker: number) => [
    progress('iter1/traces', 1),
    progress('iter1/traces', 5),
    finished('iter1/traces', 5.1, { timing: timing(worker) }),
    // The first progress of DPO is its first step; the reference took a second of the time before.
    progress('iter1/dpo', 7.5),
    progress('iter1/dpo', 8),
    finished('iter1/dpo', 9, { timing: timing(worker), reference_seconds: 1 }),
  ]

  test('the time between two stages, reference scoring left out', () => {
    expect(switchesOf(events(8))).toEqual([{ from: 'iter1/traces', to: 'iter1/dpo', seconds: 1.5 }])
  })

  test('medians of each figure, and the share in which no worker served', () => {
    const runs = [5, 9, 8].map((worker) => {
      const rows = rowsOf(events(worker))
      return rows.concat(totalOf(rows))
    })
    const rows = mediansOf(runs)
    expect(rows.map(({ stage }) => stage)).toEqual(['iter1/traces', 'iter1/dpo', 'all stages'])
    expect(rows[0]).toMatchObject({ worker_seconds: 8, typescript_seconds: 1, workers_busy: 0.5 })
    expect(rows.at(-1)?.orchestration).toBeCloseTo(0.2)
    expect(rows.at(-1)?.worker_seconds).toBe(16)
  })
})
