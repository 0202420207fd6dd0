import { expect, test } from 'vitest'
import { runBaseline, solveProblem, type BaselineProblem } from '../../src/entailment/baseline.ts'
import { createEntailer, createForwardEntailer, createTaskEntailer } from '../../src/entailment/entailer.ts'
import { readProblems } from '../../src/problems/readers/read.ts'
import { sharedDataMissing, sharedText } from '../support/shared-data.ts'

const premises = ['Every wumpus is red.', 'Max is a wumpus.']

test('counts every problem once', async () => {
  await using entailer = createEntailer()
  const problems: BaselineProblem[] = [
    { problem_id: 'right', premises, conclusion: 'Max is red.', label: 'TRUE' },
    { problem_id: 'wrong', premises, conclusion: 'Max is not red.', label: 'TRUE' },
    { problem_id: 'unread', premises, conclusion: 'Max is red, perhaps.', label: 'TRUE' },
    {
      problem_id: 'inconsistent',
      premises: [...premises, 'Max is not red.'],
      conclusion: 'Max is shy.',
      label: 'UNKNOWN',
    },
  ]
  const { summary, outcomes } = await runBaseline(problems, entailer)
  expect(summary).toMatchObject({
    problems: 4,
    right: 1,
    wrong: 1,
    undecided: 0,
    inconsistent: 1,
    unverifiable: 1,
  })
  expect(outcomes[2]).toEqual({
    problem_id: 'unread',
    label: 'TRUE',
    verdict: 'unverifiable',
    answer: null,
    reason: 'The conclusion, character 19: A list needs "and" or "or" before its last item.',
  })
})

test('what the solver gives up on is no answer', async () => {
  const problem: BaselineProblem = {
    problem_id: 'p',
    premises,
    conclusion: 'Max is red or shy.',
    label: 'TRUE',
  }
  expect(await solveProblem(problem, createForwardEntailer())).toMatchObject({
    verdict: 'undecided',
    answer: null,
  })
})

/** The figures of docs/judge-evidence.md; a change of any of them is a change of what the judge understands. */
test.skipIf(sharedDataMissing('folio'))('FOLIO labels, recomputed from the annotations', async () => {
  await using entailer = createTaskEntailer('folio')
  const name = 'folio-validation-half'
  const { problems } = readProblems(sharedText('folio', `${name}.jsonl`), name)
  const { summary, outcomes } = await runBaseline(problems, entailer)
  expect(summary).toMatchObject({
    problems: 113,
    right: 102,
    wrong: 3,
    undecided: 0,
    inconsistent: 0,
    unverifiable: 8,
  })
  const wrong = outcomes.filter(({ verdict }) => verdict === 'wrong')
  expect(wrong.map(({ label, answer }) => [label, answer])).toEqual([
    ['FALSE', 'UNKNOWN'],
    ['TRUE', 'UNKNOWN'],
    ['FALSE', 'UNKNOWN'],
  ])
})

test.skipIf(sharedDataMissing('proofwriter'))(
  'ProofWriter, by the rules that its labels are made with',
  async () => {
    const { problems } = readProblems(sharedText('proofwriter', 'dev.json'), 'dev')
    const { summary } = await runBaseline(problems, createTaskEntailer('proofwriter'))
    expect(summary).toMatchObject({ problems: 600, right: 600, wrong: 0 })
  },
)

test.skipIf(sharedDataMissing('proofwriter'))(
  'ProofWriter, by entailment: contrapositives answer more',
  async () => {
    await using entailer = createEntailer()
    const { problems } = readProblems(sharedText('proofwriter', 'dev.json'), 'dev')
    const { summary, outcomes } = await runBaseline(problems, entailer)
    expect(summary).toMatchObject({ problems: 600, right: 585, wrong: 12, inconsistent: 3, undecided: 0 })
    const wrong = outcomes.filter(({ verdict }) => verdict === 'wrong')
    expect(wrong.every(({ label }) => label === 'UNKNOWN')).toBe(true)
  },
  300_000,
)
