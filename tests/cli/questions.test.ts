import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { preferencePairSchema } from '../../src/preferences/pair.ts'
import { scoredGroupSchema } from '../../src/regime-w/group.ts'
import { Elenchus } from '../support/elenchus.ts'
import { sharedDataMissing, sharedJson, sharedText } from '../support/shared-data.ts'

let elenchus: Elenchus
let folder: string

beforeAll(async () => {
  elenchus = await Elenchus.compile()
  folder = await mkdtemp(join(tmpdir(), 'elenchus-questions-'))
})
afterAll(async () => {
  await elenchus[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function file(name: string, rows: readonly unknown[]): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return path
}

async function lines(path: string): Promise<unknown[]> {
  const text = await readFile(path, 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
}

describe('grade', () => {
  const fields = ['--output-field', 'said', '--gold-field', 'gold']

  test('one verdict per line in order, no answer distinct from a wrong one', async () => {
    const outputs = await file('outputs.jsonl', [
      { said: 'so 2+2 = 4\n#### $1,004.00', gold: '1004' },
      { said: '#### 5', gold: 4 },
      { said: 'I do not know', gold: 'work\n#### 4' },
    ])
    const { code, stdout } = await elenchus.run('grade', '--outputs', outputs, ...fields, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ rows: 3, correct: 1, unanswered: 1 })
    expect(await lines(`${outputs}.graded.jsonl`)).toEqual([
      { correct: true, prediction: '1004', gold: '1004', answered: true },
      { correct: false, prediction: '5', gold: '4', answered: true },
      { correct: false, prediction: null, gold: '4', answered: false },
    ])
  })

  test('a missing field or a gold answer that is no number is an error, never a wrong answer', async () => {
    const outputs = await file('broken.jsonl', [{ said: '#### 1', gold: '1' }, { said: '#### 1' }])
    const missing = await elenchus.run('grade', '--outputs', outputs, ...fields)
    expect(missing.code).toBe(1)
    expect(missing.stderr).toMatch(/broken\.jsonl: record 2: "gold" is missing/)
    const odd = await file('odd.jsonl', [{ said: '#### 1', gold: 'many' }])
    const unreadable = await elenchus.run('grade', '--outputs', odd, ...fields)
    expect(unreadable.stderr).toMatch(/odd\.jsonl: record 1: The gold answer is no number/)
    await expect(readFile(`${odd}.graded.jsonl`)).rejects.toThrow('ENOENT')
  })

  const labelled = ['gsm8k', 'example_model_solutions.jsonl']
  test.skipIf(sharedDataMissing(...labelled))('real labelled outputs: every label is met', async () => {
    const outputs = join(folder, 'labelled.jsonl')
    await writeFile(outputs, sharedText(...labelled))
    const { stdout } = await elenchus.run(
      'grade',
      '--outputs',
      outputs,
      '--output-field',
      '175b_verification.solution',
      '--gold-field',
      'ground_truth',
      '--marker',
      'A:',
      '--json',
    )
    expect(JSON.parse(stdout)).toEqual({ rows: 1319, correct: 742, unanswered: 1 })
    const labels = (await lines(outputs)) as { '175b_verification': { is_correct: boolean } }[]
    const verdicts = (await lines(`${outputs}.graded.jsonl`)) as { correct: boolean }[]
    expect(verdicts.map(({ correct }) => correct)).toEqual(
      labels.map((row) => row['175b_verification'].is_correct),
    )
  })
})

describe('regime-w and preferences', () => {
  const answer = (text: string, correct: boolean, tokens: number, given: string | null) => ({
    full_text: text,
    completion_ids: Array.from(text, (character) => character.codePointAt(0) ?? 0),
    answer: given,
    num_tokens: tokens,
    correct,
  })
  const group = {
    question: 'Ana has 3 apples and buys 4. How many has she?',
    gold_answer: '7',
    prompt: 'Q',
    kept: 'unknown fields are kept',
    trajectories: [
      answer('3+4=<<3+4=7>>7\n#### 7', true, 20, '7'),
      answer('#### 7', true, 6, '7'),
      answer('3+4=<<3+4=8>>8\n#### 8', false, 20, '8'),
    ],
  }

  test('any rollout file is scored, every component stored, and gives pairs with their yield', async () => {
    const rollouts = await file('rollouts.jsonl', [group])
    const unscored = await elenchus.run(
      'preferences',
      '--rollouts',
      rollouts,
      '--out',
      join(folder, 'p.jsonl'),
    )
    expect(unscored.code).toBe(1)
    expect(unscored.stderr).toMatch(/hint: .*elenchus regime-w/)

    const scored = join(folder, 'scored.jsonl')
    const rescored = await elenchus.run(
      'regime-w',
      '--rollouts',
      rollouts,
      '--preset',
      'trajectory',
      '--out',
      scored,
      '--json',
    )
    expect(JSON.parse(rescored.stdout)).toMatchObject({ preset: 'trajectory', questions: 1, correct: 2 })
    const [record] = await lines(scored)
    expect(record).toMatchObject({ kept: group.kept, preset: 'trajectory', s_end: 2 / 3 })
    expect(scoredGroupSchema.parse(record).trajectories[0]?.components).toMatchObject({ consistency: 1 })

    const out = join(folder, 'pairs.jsonl')
    const built = await elenchus.run('preferences', '--rollouts', scored, '--out', out, '--json')
    expect(built.code).toBe(0)
    expect(JSON.parse(built.stdout)).toMatchObject({
      pairs: { correctness: 2, coherence: 1, length: 0 },
      yield: [{ threshold: 0.1 }, { threshold: 0.03 }, { threshold: 0.01 }, { threshold: 0.003 }],
    })
    const pairs = (await lines(out)).map((pair) => preferencePairSchema.parse(pair))
    expect(pairs.map(({ pair_type, chosen }) => [pair_type, chosen])).toContainEqual([
      'coherence',
      '3+4=<<3+4=7>>7\n#### 7',
    ])
  })

  test('without pairs the reasons are told, with the flag to change', async () => {
    const alike = { ...group, trajectories: [group.trajectories[2], group.trajectories[2]] }
    const rollouts = await file('alike.jsonl', [alike])
    const scored = join(folder, 'alike-scored.jsonl')
    await elenchus.run('regime-w', '--rollouts', rollouts, '--preset', 'guide', '--out', scored)
    const out = join(folder, 'none.jsonl')
    const { code, stdout, stderr } = await elenchus.run('preferences', '--rollouts', scored, '--out', out)
    expect(code).toBe(1)
    expect(stdout).toMatch(/0 pairs from 0 of 1 questions/)
    expect(stderr).toMatch(/1 of 1 questions have a single distinct answer text: raise the temperature/)
  })

  const golden = ['regime_w', 'golden_reward.json']
  test.skipIf(sharedDataMissing(...golden))(
    'golden numbers of a real record, to the last digit',
    async () => {
      const wanted = sharedJson(...golden) as Record<string, number> & { word_counts: number[] }
      const trajectories = wanted.word_counts.map((count) => {
        const text = Array.from({ length: count }, () => 'word').join(' ')
        return { ...answer(text, true, 1, '72'), completion_ids: undefined }
      })
      const rollouts = await file('golden.jsonl', [{ ...group, gold_answer: '72', trajectories }])
      const scored = join(folder, 'golden-scored.jsonl')
      await elenchus.run('regime-w', '--rollouts', rollouts, '--preset', 'looper8', '--out', scored)
      const record = scoredGroupSchema.parse((await lines(scored))[0])
      expect(record).toMatchObject({ s_path: wanted['s_path'], s_wm: wanted['s_wm'] })
      expect(record.trajectories.map(({ reward }) => reward)).toEqual(
        wanted.word_counts.map(() => wanted['reward_each']),
      )
    },
  )
})

test('a setting of the other kind of task is refused, not ignored', async () => {
  const args = ['--data', 'x.jsonl', '--model', 'x', '--output', join(folder, 'never')]
  const steps = await elenchus.run('evaluate', '--task', 'gsm8k', '--max-steps', '4', ...args)
  expect(steps.code).toBe(2)
  expect(steps.stderr).toMatch(/--max-steps: not a setting of --task gsm8k/)
  const marker = await elenchus.run('evaluate', '--marker', 'A:', ...args)
  expect(marker.code).toBe(2)
  expect(marker.stderr).toMatch(/--marker: a setting of --task gsm8k/)
})

test('a number that is none is refused, not taken for everything or nothing', async () => {
  const args = ['--data', 'x.jsonl', '--model', 'x', '--output', join(folder, 'never')]
  for (const [flag, value] of [
    ['--num-problems', 'all'],
    ['--num-problems', '0'],
    ['--seed', '1.5'],
    ['--gate', '80'],
  ] as const) {
    const { code, stderr } = await elenchus.run('evaluate', flag, value, ...args)
    expect(code).toBe(2)
    expect(stderr).toMatch(new RegExp(`option '${flag}.*' argument '${value}' is invalid. It is no `))
  }
})
