import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTorchBackend } from '../../../src/backends/torch/torch.ts'
import { spawnLauncher } from '../../../src/bridge/launchers/spawn.ts'
import { generateQuestions } from '../../../src/problems/arithmetic/generate.ts'
import { workerPython } from '../../bridge/worker-python.ts'
import { Elenchus } from '../../support/elenchus.ts'
import { makeGuesser } from './guesser.ts'

const QUESTIONS = generateQuestions({ count: 12, split: 'train', seed: 1, steps: [1], maxOperand: 4 })

let elenchus: Elenchus
let folder: string
let model: string

beforeAll(async () => {
  elenchus = await Elenchus.compile()
  folder = await mkdtemp(join(tmpdir(), 'ek-'))
  await writeFile(
    join(folder, 'questions.jsonl'),
    QUESTIONS.map((each) => `${JSON.stringify(each)}\n`).join(''),
  )
  if (workerPython === null) return
  await using backend = createTorchBackend({
    model: join(folder, 'random'),
    dtype: 'float32',
    engine: 'auto',
    deterministic: true,
    trustRemoteCode: false,
    launcher: spawnLauncher({ devices: 'cpu', threads: 1 }),
    logDirectory: join(folder, 'logs'),
  })
  model = await makeGuesser(backend, folder, QUESTIONS)
}, 240_000)
afterAll(async () => {
  await elenchus[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Everything that a run leaves behind and that does not tell how long it took. */
async function produced(dir: string): Promise<Record<string, unknown>> {
  const weights = (name: string): Promise<string> => readFile(join(dir, 'final', name), 'base64')
  const metrics = await readFile(join(dir, 'metrics.jsonl'), 'utf8')
  return {
    adapter: await weights('adapter_model.safetensors'),
    critic: await weights('value_head.safetensors'),
    metrics: metrics.replaceAll(/"seconds":[\d.e-]+/g, '"seconds":0'),
  }
}

/** The questions of its newest checkpoint; 0 without one. */
async function checkpointOf(dir: string): Promise<number> {
  const names = existsSync(dir) ? await readdir(dir) : []
  return Math.max(0, ...names.flatMap((name) => /^checkpoint-(\d+)$/.exec(name)?.[1] ?? []).map(Number))
}

describe.skipIf(workerPython === null)('with the real worker', () => {
  test('kill -9 in the middle of PPO changes no byte of what it ends with', async () => {
    const dirOf = (name: string): string => join(folder, name)
    const flags =
      `ppo --base-model ${model} --data-path ${join(folder, 'questions.jsonl')} ` +
      '--n-samples 160 --batch-size 4 --group-size 4 --save-every 8 --seed 3 --max-new-tokens 12 ' +
      '--learning-rate 1e-3 --value-warmup 2 --kl-target 0.05 --kl-horizon 50 ' +
      '--deterministic --threads 1 --json --resume'
    const args = (dir: string): string[] => [...flags.split(' '), '--output', dir]
    const calm = await elenchus.run(...args(dirOf('calm')))
    expect(calm.code, calm.stderr).toBe(0)

    const rough = dirOf('rough')
    const killedAt: number[] = []
    for (let kill = 0; kill < 2; kill++) {
      const { child, ended } = elenchus.start(...args(rough))
      const before = await checkpointOf(rough)
      while (child.exitCode === null && (await checkpointOf(rough)) <= before) await sleep(2)
      child.kill('SIGKILL')
      expect((await ended).code).toBeNull()
      killedAt.push(await checkpointOf(rough))
    }
    expect(existsSync(join(rough, 'summary.json'))).toBe(false)
    expect(killedAt[0]).toBeGreaterThan(0)
    expect(killedAt[1]).toBeGreaterThan(killedAt[0]!)
    expect(killedAt[1]).toBeLessThan(160)
    const last = await elenchus.run(...args(rough))
    expect(last.code, last.stderr).toBe(0)
    expect(await produced(rough), `killed at ${killedAt.join(', ')} questions`).toEqual(
      await produced(dirOf('calm')),
    )
    expect(JSON.parse(last.stdout)).toMatchObject({ iterations: 40, questions: 160 })
    // Something was learned, so that equal bytes are not those of a start that never moved.
    const rows = (await readFile(join(rough, 'metrics.jsonl'), 'utf8')).trim().split('\n')
    expect((JSON.parse(rows.at(-1)!) as { kl: number }).kl).not.toBe(0)
  }, 480_000)
})
