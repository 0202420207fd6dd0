import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { resolveModel } from '../../src/pipelines/model-reference.ts'
import { loadQuestions } from '../../src/pipelines/question-files.ts'
import { sharedDataMissing, sharedText } from '../support/shared-data.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-files-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function file(name: string, text: string): Promise<string> {
  await mkdir(join(folder, name, '..'), { recursive: true })
  await writeFile(join(folder, name), text)
  return join(folder, name)
}

const ROW = '{"question":"How many?","answer":"#### 7"}\n'

test('questions are named by their set, and no two alike', async () => {
  const [a, b] = [await file('x/test.jsonl', ROW + ROW), await file('y/test.jsonl', ROW)]
  expect((await loadQuestions([a])).map(({ question_id }) => question_id)).toEqual(['test-0', 'test-1'])
  const named = await loadQuestions([a], { name: 'gsm8k' })
  expect(named.map(({ question_id }) => question_id)).toEqual(['gsm8k-0', 'gsm8k-1'])
  await expect(loadQuestions([a, b])).rejects.toThrow(/"test-0" stands twice/)
  await expect(loadQuestions([join(folder, 'none.jsonl')])).rejects.toMatchObject({ code: 'file_missing' })
  const broken = await file('broken.jsonl', `${ROW}{"question":"How many?","answer":"many"}\n`)
  await expect(loadQuestions([broken])).rejects.toThrow(/broken\.jsonl.*The gold answer is no number/)
})

const data = [
  ['gsm8k', 'test.jsonl'],
  ['gsm8k_platinum', 'overlay.json'],
  ['gsm8k_platinum', 'test.jsonl'],
] as const
test.skipIf(data.some((path) => sharedDataMissing(...path)))(
  'Platinum is the same from its own file and from GSM8K with the overlay',
  async () => {
    const [gsm8k, overlay, platinum] = await Promise.all(
      data.map((path) => file(path.join('/'), sharedText(...path))),
    )
    const own = await loadQuestions([platinum!], { name: 'gsm8k-platinum' })
    const overlaid = await loadQuestions([gsm8k!], { name: 'gsm8k-platinum', overlay: overlay! })
    const facts = (questions: typeof own) =>
      questions.map(({ question_id, question, gold_answer }) => [question_id, question, gold_answer])
    expect(overlaid).toHaveLength(1209)
    expect(facts(overlaid)).toEqual(facts(own))
  },
)

test('a training stage is named by its folder as well as by its adapter', async () => {
  const config = '{"base_model_name_or_path":"some/base"}'
  await file('abel_ppo_lora/final/adapter_config.json', config)
  const adapter = join(folder, 'abel_ppo_lora/final')
  const stage = join(folder, 'abel_ppo_lora')
  expect(await resolveModel({ model: stage })).toEqual({ base: 'some/base', adapter })
  expect(await resolveModel({ baseModel: 'other', loraPath: stage })).toEqual({ base: 'other', adapter })
  expect(await resolveModel({ model: adapter })).toEqual({ base: 'some/base', adapter })
})
