import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTorchBackend } from '../../src/backends/torch/torch.ts'
import { spawnLauncher } from '../../src/bridge/launchers/spawn.ts'
import { generateQuestions } from '../../src/problems/arithmetic/generate.ts'
import { scoredGroupSchema } from '../../src/regime-w/group.ts'
import { workerPython } from '../bridge/worker-python.ts'
import { Elenchus } from '../support/elenchus.ts'
import { sharedDataMissing, sharedText } from '../support/shared-data.ts'

const QUESTIONS = 240

let elenchus: Elenchus
let folder: string
let model: string

beforeAll(async () => {
  elenchus = await Elenchus.compile()
  folder = await mkdtemp(join(tmpdir(), 'er-'))
  model = join(folder, 'model')
  if (workerPython !== null) await makeModel(model)
})
afterAll(async () => {
  await elenchus[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** An untrained model: it answers nothing, at length, which is what takes time. */
async function makeModel(path: string): Promise<void> {
  await using backend = createTorchBackend({
    model: path,
    dtype: 'float32',
    engine: 'auto',
    deterministic: true,
    trustRemoteCode: false,
    launcher: spawnLauncher({ devices: 'cpu', threads: 1 }),
    logDirectory: join(folder, 'logs'),
  })
  const textsPath = join(folder, 'texts.jsonl')
  await writeFile(textsPath, `${JSON.stringify('How many apples has Ana? #### 7')}\n`)
  await backend.createTinyModel({
    path,
    textsPath,
    phrasePatterns: [String.raw`\w+`, '#### '],
    architecture: {
      hidden_size: 32,
      num_layers: 2,
      num_heads: 4,
      intermediate_size: 64,
      max_positions: 2048,
      rope_theta: 100,
      tie_embeddings: true,
      attention_bias: false,
      initializer_range: 0.1,
    },
    seed: 1,
  })
}

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text)
  return join(folder, name)
}

function words(line: string): string[] {
  return line.trim().split(/\s+/)
}

/** Bytes of a file in the folder; 0 where there is none. */
function size(name: string): Promise<number> {
  return stat(join(folder, name)).then(
    (stats) => stats.size,
    () => 0,
  )
}

describe.skipIf(workerPython === null)('with the real worker', () => {
  test('kill -9 in the middle of it loses and doubles nothing', async () => {
    // Seconds of work on a quick machine: records reach the disk a second after they are written.
    const questions = generateQuestions({ count: QUESTIONS, seed: 1, split: 'train' })
    const data = await file('questions.jsonl', questions.map((each) => `${JSON.stringify(each)}\n`).join(''))
    const args = (out: string): string[] =>
      words(`rollouts --base-model ${model} --data-path ${data} --out-path ${join(folder, out)} --arms 4
        --preset trajectory --max-new-tokens 160 --deterministic --threads 1 --json --resume`)
    const calm = await elenchus.run(...args('calm.jsonl'))
    expect(calm.code, calm.stderr).toBe(0)
    expect(JSON.parse(calm.stdout)).toMatchObject({
      questions: QUESTIONS,
      answers: 4 * QUESTIONS,
      generated: 4 * QUESTIONS,
    })

    const kept: number[] = []
    for (let kill = 0; kill < 2; kill++) {
      const { child, ended } = elenchus.start(...args('rough.jsonl'))
      const before = await size('rough.jsonl')
      while (child.exitCode === null && (await size('rough.jsonl')) === before) await sleep(20)
      child.kill('SIGKILL')
      await ended
      kept.push(await size('rough.jsonl'))
    }
    expect(kept[0]).toBeGreaterThan(0)
    expect(kept[0]).toBeLessThan(await size('calm.jsonl'))
    const last = await elenchus.run(...args('rough.jsonl'))
    expect(last.code, last.stderr).toBe(0)
    const [rough, wanted] = await Promise.all(
      ['rough.jsonl', 'calm.jsonl'].map((name) => readFile(join(folder, name), 'utf8')),
    )
    expect(rough === wanted, `killed at ${kept.join(', ')} bytes`).toBe(true)
    expect(JSON.parse(last.stdout)).toMatchObject({ answers: 4 * QUESTIONS })
    expect((JSON.parse(last.stdout) as { generated: number }).generated).toBeLessThan(4 * QUESTIONS)
  }, 480_000)

  const train = ['gsm8k', 'train.jsonl']
  const testFile = ['gsm8k', 'test.jsonl']
  const overlay = ['gsm8k_platinum', 'overlay.json']
  test.skipIf(sharedDataMissing(...train) || sharedDataMissing(...overlay))(
    'real questions pass through rollouts, scores, pairs and evaluation',
    async () => {
      // The longest ones, and those with negative, large and comma-separated answers.
      const rows = sharedText(...train)
        .trimEnd()
        .split('\n')
      const picked = rows
        .filter((row) => /#### (-|\d+,\d|\d{5,})/.test(row))
        .slice(0, 6)
        .concat(rows.toSorted((a, b) => b.length - a.length).slice(0, 6))
      const data = await file('gsm8k_train.jsonl', `${picked.join('\n')}\n`)
      const out = join(folder, 'abel_regime_w_rollouts.jsonl')
      const sampling = '--max-new-tokens 48 --threads 1 --json'
      const rollouts = await elenchus.run(
        ...words(`rollouts --base-model ${model} --data-path ${data} --out-path ${out} --arms 3
          --preset guide ${sampling}`),
      )
      expect(rollouts.code, rollouts.stderr).toBe(0)
      const groups = (await readFile(out, 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => scoredGroupSchema.parse(JSON.parse(line)))
      expect(groups).toHaveLength(12)
      expect(groups.every(({ gold_answer }) => /^-?\d+$/.test(String(gold_answer)))).toBe(true)
      const pairs = await elenchus.run('preferences', '--rollouts', out, '--out', join(folder, 'pairs.jsonl'))
      expect(pairs.stderr).toMatch(/12 of 12 questions have no correct answer/)

      const testPath = await file('test.jsonl', sharedText(...testFile))
      const overlayPath = await file('overlay.json', sharedText(...overlay))
      const rowsPath = join(folder, 'abel_base_platinum_eval.jsonl')
      const platinum = await elenchus.run(
        ...words(`evaluate --task gsm8k-platinum --model ${model} --data ${testPath} --num-problems 20
          --platinum-overlay ${overlayPath} --output ${rowsPath} --coherence-samples 2 ${sampling}`),
      )
      expect(platinum.code, platinum.stderr).toBe(0)
      expect(JSON.parse(platinum.stdout)).toMatchObject({
        metrics: { questions: 20, accuracy: { value: 0, n: 20, method: 'wilson' } },
        coherence: { s_wm: { n: 20, method: 'bootstrap' } },
      })
      const evaluated = (await readFile(rowsPath, 'utf8')).trimEnd()
      // Row 4 of GSM8K's test is not part of Platinum.
      expect(
        evaluated.split('\n').map((line) => (JSON.parse(line) as { question_id: string }).question_id),
      ).toContain('gsm8k-platinum-4')
      expect(evaluated).not.toContain('Wendi feeds each of her chickens three cups')
    },
    480_000,
  )
})
