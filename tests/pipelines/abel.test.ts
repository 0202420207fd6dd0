import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runChaos } from '../../scripts/chaos/run.ts'
import { loadConfig, parseOverride } from '../../src/config/load.ts'
import { pipelineSchema } from '../../src/config/pipeline.ts'
import type { AbelSummary } from '../../src/pipelines/abel/summary.ts'
import { stageNames } from '../../src/pipelines/stage-range.ts'
import { workerPython } from '../bridge/worker-python.ts'
import { Elenchus } from '../support/elenchus.ts'
import { sharedDataMissing, sharedText } from '../support/shared-data.ts'

const CONFIG = resolve(import.meta.dirname, '../../configs/tiny.chaos.abel.yaml')

const STARTED = /"type":"stage_started","stage":"([^"]+)"/g

let elenchus: Elenchus
let folder: string

beforeAll(async () => {
  elenchus = await Elenchus.compile()
  folder = await mkdtemp(join(tmpdir(), 'ea-'))
})
afterAll(async () => {
  await elenchus[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function run(output: string, ...more: readonly string[]) {
  const { code, stdout, stderr } = await elenchus.run(
    'run',
    CONFIG,
    '--json',
    '--set',
    `output=${output}`,
    ...more,
  )
  expect(code, stderr).toBe(0)
  return { summary: JSON.parse(stdout) as AbelSummary, stderr }
}

describe.skipIf(workerPython === null)('with the real worker', () => {
  test('base, PPO, rollouts, pairs, DPO, evaluation: every file where users look for it', async () => {
    const output = join(folder, 'run')
    const control = ['--set', 'controls.more_sft=true']
    const early = await elenchus.run('run', CONFIG, '--set', `output=${output}`, ...control, '--from', 'ppo')
    expect(early.code).toBe(2)
    expect(early.stderr).toMatch(/base\/drill comes before ppo, and has not finished/)
    const first = await run(output, ...control, '--until', 'base/drill')
    expect(first.summary).toEqual({ output, until: 'base/drill' })
    const { summary, stderr } = await run(output, ...control, '--from', 'base/pretraining')
    expect(stderr).not.toContain('"stage_failed"')
    const config = await loadConfig(CONFIG, pipelineSchema, [parseOverride(control[1] ?? '')])
    const begun = Array.from(stderr.matchAll(STARTED), ([, name]) => name)
    expect(begun.filter((name) => name?.endsWith('/coherence') !== true)).toEqual(stageNames(config).slice(1))
    expect(summary).toMatchObject({ pipeline: 'abel', held_out: 20, seed: 5, rollouts: { answers: 48 } })
    const aNumber = expect.any(Number) as number
    expect(summary).toMatchObject({
      wall_seconds: aNumber,
      base: { accuracy: aNumber },
      ppo: { accuracy: aNumber },
      dpo: { accuracy: aNumber },
      mcnemar: { base_ppo: aNumber, ppo_dpo: aNumber },
      pairs: { correctness: aNumber, coherence: aNumber },
    })
    for (const row of [summary.base, summary.ppo, summary.dpo, summary.control]) {
      expect(row?.evaluation.metrics.questions).toBe(20)
      expect(row?.evaluation.coherence?.s_wm?.n).toBe(20)
    }
    const policies = [summary.base, summary.ppo, summary.dpo, summary.control].map((row) => row?.policy)
    expect(new Set(policies).size).toBe(4)
    expect(summary.pairs.correctness).toBeGreaterThan(0)
    expect(summary.rollouts.policy.fingerprint).toBe(summary.ppo.policy)
    expect(JSON.parse(await readFile(join(output, 'summary.json'), 'utf8'))).toEqual(summary)
    for (const file of [
      'checkpoints/abel_ppo_lora/final/adapter_model.safetensors',
      'checkpoints/abel_dpo_coherence_lora/final/adapter_model.safetensors',
      'data/gsm8k_train.jsonl',
      'data/abel_regime_w_rollouts.jsonl',
      'data/abel_coherence_preferences.jsonl',
      'outputs/abel_base_platinum_eval.jsonl',
      'outputs/abel_ppo_platinum_eval.jsonl',
      'outputs/abel_dpo_coherence_platinum_eval.jsonl',
    ]) {
      expect((await stat(join(output, file))).size, file).toBeGreaterThan(0)
    }

    // A finished run: nothing is done again, and without --resume nothing is touched.
    const again = await run(output, ...control, '--only', 'ppo')
    const { wall_seconds: _, ...same } = summary
    expect(again.summary).toMatchObject(same)
    const refused = await elenchus.run('run', CONFIG, '--set', `output=${output}`)
    expect(refused.code).toBe(2)
    expect(refused.stderr).toMatch(/--resume/)
  }, 400_000)

  // The long form is `npm run chaos -- --kills 50 --seed S`.
  test('kill -9 of it or its worker changes no byte of what it produces', async () => {
    const seed = Date.now() % 1_000_000
    const report = await runChaos({
      program: elenchus.program,
      config: CONFIG,
      folder: join(folder, 'chaos'),
      kills: 2,
      seed,
      overrides: ['evaluation.coherence_samples=0'],
      env: elenchus.env,
      // Generous: the machine may be busy with other tests.
      goneWithinMs: 20_000,
    })
    expect(report, `seed ${seed}`).toMatchObject({
      kills: { orchestrator: 1, worker: 1 },
      differences: [],
      left_behind: [],
      failures: [],
    })
  }, 400_000)

  const train = ['gsm8k', 'train.jsonl']
  const platinum = ['gsm8k_platinum', 'test.jsonl']
  test.skipIf(sharedDataMissing(...train) || sharedDataMissing(...platinum))(
    'nothing breaks on real questions',
    async () => {
      const head = async (name: string, path: readonly string[], rows: number): Promise<string> => {
        const file = join(folder, name)
        await writeFile(
          file,
          sharedText(...path)
            .split('\n')
            .slice(0, rows)
            .join('\n'),
        )
        return file
      }
      const { summary } = await run(
        join(folder, 'real'),
        '--set',
        `data.train={files: [${await head('train.jsonl', train, 16)}]}`,
        '--set',
        `data.held_out={files: [${await head('platinum.jsonl', platinum, 8)}]}`,
      )
      expect(summary).toMatchObject({ held_out: 8, control: null })
      expect(summary.rollouts.questions).toBe(12)
    },
    120_000,
  )
})

test('what does not fit together is refused, with the place in the file', async () => {
  const given = await elenchus.run('run', CONFIG, '--set', 'model={path: some/model}')
  expect(given.code).toBe(2)
  expect(given.stderr).toMatch(/habits belong to a model that is made on the spot/)
  const other = join(folder, 'other.yaml')
  await writeFile(other, 'pipeline: foo\n')
  const unknown = await elenchus.run('run', other)
  expect(unknown.code).toBe(2)
  expect(unknown.stderr).toMatch(/other\.yaml:1:1: pipeline is "foo": .*'oak' \| 'abel'/)
})
