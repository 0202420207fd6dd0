import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runChaos } from '../../scripts/chaos/run.ts'
import { readJsonl } from '../../src/runs/jsonl.ts'
import { workerPython } from '../bridge/worker-python.ts'
import { Elenchus } from '../support/elenchus.ts'

const CONFIG = resolve(import.meta.dirname, '../../configs/tiny.chaos.oak.yaml')
const WITHOUT_CONTROLS = ['controls.careful_sft=false']

let elenchus: Elenchus
let folder: string

beforeAll(async () => {
  elenchus = await Elenchus.compile()
  folder = await mkdtemp(join(tmpdir(), 'elenchus-oak-'))
})
afterAll(async () => {
  await elenchus[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

describe.skipIf(workerPython === null)('with the real worker', () => {
  // The long form is `npm run chaos -- --kills 50 --seed S`.
  test('the loop runs for real, and kill -9 of it or its worker changes no byte of what it produces', async () => {
    const seed = Date.now() % 1_000_000
    const report = await runChaos({
      program: elenchus.program,
      config: CONFIG,
      folder,
      kills: 4,
      seed,
      overrides: WITHOUT_CONTROLS,
      env: elenchus.env,
      // Generous: the machine may be busy with other tests.
      goneWithinMs: 20_000,
    })
    expect(report, `seed ${seed}`).toMatchObject({
      kills: { orchestrator: 2, worker: 2 },
      differences: [],
      left_behind: [],
      failures: [],
    })

    const calm = join(folder, 'calm')
    const summary = JSON.parse(await readFile(join(calm, 'summary.json'), 'utf8')) as {
      iterations: { iteration: number; traces: number; pairs: number }[]
    }
    expect(summary.iterations.map((row) => row.iteration)).toEqual([0, 1, 2])
    expect(summary.iterations[1]).toMatchObject({ traces: 96 })
    expect(summary.iterations[1]?.pairs).toBeGreaterThan(0)

    await expectNothingPastTheStops(join(calm, 'traces/iter1/traces.jsonl'))

    // A finished run: nothing is done again, and without --resume nothing is touched.
    const same = ['run', CONFIG, '--json', '--set', `output=${calm}`, '--set', ...WITHOUT_CONTROLS]
    const run = (...more: readonly string[]) => elenchus.run(...same, ...more)
    const again = await run('--resume')
    expect(again.code).toBe(0)
    const refused = await run()
    expect(refused.code).toBe(2)
    expect(refused.stderr).toMatch(/--resume/)
    const changed = await run('--resume', '--set', 'sft.learning_rate=0.5')
    expect(changed.code).toBe(2)
    expect(changed.stderr).toMatch(/learning_rate: 0\.001 -> 0\.5/)
  }, 400_000)
})

/** The real engine's ids end with the token that completes CONCLUDE or the last step allowed; it may hold more than that. */
async function expectNothingPastTheStops(path: string): Promise<void> {
  const stopped = new Map<string, number>()
  for await (const record of readJsonl(path)) {
    const { completion, finish_reason: reason } = record as { completion: string; finish_reason: string }
    stopped.set(reason, (stopped.get(reason) ?? 0) + 1)
    for (const [pattern, most] of [
      [/<Option type="CONCLUDE"[^\n]*\n/g, 1],
      // `traces.max_steps` of the configuration.
      [/Action:[^\n]*\n/g, 4],
    ] as const) {
      const matches = [...completion.matchAll(pattern)]
      expect(matches.length).toBeLessThanOrEqual(most)
      const last = matches[most - 1]
      if (last !== undefined) expect(completion.slice(last.index + last[0].length)).not.toContain('\n')
    }
  }
  expect(stopped.get('conclude')).toBeGreaterThan(0)
}
