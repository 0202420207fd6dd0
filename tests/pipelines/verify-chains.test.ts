import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEntailer } from '../../src/entailment/entailer.ts'
import { verifyChainFile } from '../../src/pipelines/verify-chains-file.ts'
import type { Problem } from '../../src/problems/problem.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-chains-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const PREMISES = ['Max is a cat.', 'Every cat is furry.']
const COMPLETION = 'Max is a cat. Every cat is furry. Max is furry. True'

async function verify(
  name: string,
  lines: readonly object[],
  problems?: readonly Problem[],
): Promise<{ summary: object; judged: Record<string, unknown>[] }> {
  await using entailer = createEntailer()
  const path = join(folder, name)
  await writeFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  const { summary, judgedPath } = await verifyChainFile(path, { entailer, ...(problems && { problems }) })
  const judged = (await readFile(judgedPath, 'utf8')).trimEnd().split('\n')
  return { summary, judged: judged.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

test('premises or context, conclusion or query; unknown fields stay, verdicts are ours', async () => {
  const { summary, judged } = await verify('forms.jsonl', [
    { premises: PREMISES, conclusion: 'Max is furry.', completion: COMPLETION, strict: false, note: 'kept' },
    {
      context: PREMISES.join(' '),
      query: 'True or false: Max is furry.',
      completion: COMPLETION,
      label: false,
    },
    { premises: PREMISES, conclusion: 'Max is furry.', completion: 'Blah blah. True' },
    { premises: ['???'], conclusion: 'Max is furry.', completion: COMPLETION },
    { premises: [...PREMISES, 'Max is not furry.'], conclusion: 'Max is furry.', completion: COMPLETION },
  ])
  expect(judged[0]).toMatchObject({
    note: 'kept',
    strict: true,
    status: 'judged',
    final_answer: 'TRUE',
    label_correct: true,
    correct_steps: [0, 1, 2],
    incorrect_steps: [],
    steps: [{ step_idx: 0, text: 'Max is a cat', verdict: 'correct', message: null }, {}, {}],
  })
  expect(judged.map(({ strict, label_correct }) => [strict, label_correct])).toEqual([
    [true, true],
    [true, false],
    [false, true],
    [false, null],
    [false, null],
  ])
  expect(summary).toMatchObject({
    chains: 5,
    strict: 2,
    with_skip: 2,
    with_non_atomic: 2,
    with_both: 2,
    unparseable: 1,
    labelled: 3,
    label_correct: 2,
    unverifiable: 1,
    inconsistent: 1,
  })
})

test('premises that contradict each other beyond the closure are found as well', async () => {
  const premises = ['Max is a cat or a dog.', 'Max is not a cat.', 'Max is not a dog.']
  const either = 'Everything that is a cat and a dog is furry.'
  const { summary } = await verify('z3.jsonl', [
    {
      premises: [...premises, either],
      conclusion: 'Max is not a cat.',
      completion: 'Max is not a cat. True',
    },
  ])
  expect(summary).toMatchObject({ strict: 0, inconsistent: 1 })
})

test('listed problems stand in for what a chain does not say', async () => {
  const problem: Problem = { problem_id: '7', premises: PREMISES, conclusion: 'Max is furry.', label: 'TRUE' }
  const { summary } = await verify('listed.jsonl', [{ problem_id: 7, completion: COMPLETION }], [problem])
  expect(summary).toMatchObject({ chains: 1, strict: 1, label_correct: 1 })
})

test.each([
  ['premises', { conclusion: 'Max is furry.', completion: COMPLETION }],
  ['conclusion', { premises: PREMISES, completion: COMPLETION }],
  ['completion', { premises: PREMISES, conclusion: 'Max is furry.' }],
])('a line without %s is an error with its number, and leaves no verdicts', async (missing, line) => {
  const name = `without-${missing}.jsonl`
  await expect(verify(name, [line])).rejects.toMatchObject({ code: 'record_invalid' })
  await expect(verify(name, [line])).rejects.toThrow(new RegExp(`${name}:1.*${missing}`, 's'))
  await expect(readFile(join(folder, `${name}.judged.jsonl`))).rejects.toThrow()
})
