import { expect, test } from 'vitest'
import { gradeOutput } from '../../src/answers/grade.ts'
import { extractAnswer } from '../../src/answers/extract.ts'
import { scoreCounterfactual } from '../../src/regime-w/counterfactual.ts'
import { sharedDataMissing, sharedJsonl } from '../support/shared-data.ts'

test('score = consistency x dependence, null where either is', () => {
  const question = 'She has 4 cats and 3 dogs and gives 2 away.'
  expect(scoreCounterfactual(question, '4 + 3 = 7\n7 - 2 = 5', '5')).toEqual({
    equations: 2,
    holding: 2,
    consistency: 1,
    inputs: 3,
    reaching: 3,
    dependence: 1,
    score: 1,
  })
  expect(scoreCounterfactual(question, '4 + 3 = 8\n7 - 2 = 5', '5').score).toBeCloseTo((1 / 2) * (1 / 3), 12)
  expect(scoreCounterfactual(question, '#### 5', '5')).toMatchObject({ consistency: null, score: null })
  expect(scoreCounterfactual('How many?', '4 + 1 = 5', '5')).toMatchObject({ dependence: null, score: null })
})

test.skipIf(sharedDataMissing('gsm8k', 'train.jsonl'))('the rationales of GSM8K', () => {
  const counts = { rationales: 0, perfect: 0, undefined: 0, inconsistent: 0, partlyDependent: 0 }
  for (const row of sharedJsonl<{ question: string; answer: string }>('gsm8k', 'train.jsonl')) {
    const score = scoreCounterfactual(row.question, row.answer, extractAnswer(row.answer)?.text ?? null)
    counts.rationales++
    if (score.score === 1) counts.perfect++
    if (score.score === null) counts.undefined++
    if ((score.consistency ?? 1) < 1) counts.inconsistent++
    if ((score.dependence ?? 1) < 1) counts.partlyDependent++
  }
  expect(counts).toEqual({
    rationales: 7473,
    perfect: 6657,
    undefined: 128,
    inconsistent: 62,
    partlyDependent: 657,
  })
})

/** Probability that a positive scores above a negative, ties counting half. */
function auc(rows: readonly { readonly score: number; readonly positive: boolean }[]): number {
  let [wins, pairs] = [0, 0]
  for (const a of rows.filter(({ positive }) => positive)) {
    for (const b of rows.filter(({ positive }) => !positive)) {
      pairs++
      wins += a.score > b.score ? 1 : a.score === b.score ? 0.5 : 0
    }
  }
  return wins / pairs
}

const AUTORACE = ['autorace', 'gsm8k-half.jsonl']
test.skipIf(sharedDataMissing(...AUTORACE))('against 100 human judgements of soundness', () => {
  const marker = 'The answer is'
  interface Row {
    question: string
    reasoning_chain: string
    answer: string
    human_label: boolean
  }
  const rows = sharedJsonl<Row>(...AUTORACE).map((row) => {
    const answer = extractAnswer(row.reasoning_chain, { marker })?.text ?? null
    return {
      positive: row.human_label,
      correct: gradeOutput(row.reasoning_chain, row.answer, { marker }).correct,
      judged: scoreCounterfactual(row.question, row.reasoning_chain, answer),
    }
  })
  const by = (score: (row: (typeof rows)[number]) => number) =>
    auc(rows.map((row) => ({ positive: row.positive, score: score(row) })))
  const figures = {
    score: by((row) => row.judged.score ?? 0),
    consistency: by((row) => row.judged.consistency ?? 0),
    dependence: by((row) => row.judged.dependence ?? 0),
    finalAnswer: by((row) => Number(row.correct)),
    below: rows.filter(({ judged }) => (judged.score ?? 0) < 1).length,
    belowAndSound: rows.filter(({ judged, positive }) => (judged.score ?? 0) < 1 && positive).length,
    unsoundAtFullScore: rows.filter(({ judged, positive }) => judged.score === 1 && !positive).length,
    unsoundButCorrect: rows.filter(({ correct, positive }) => correct && !positive).length,
  }
  // What it misses is arithmetic done right on a misread problem: 35 wrong answers and 6 right ones judged unsound.
  expect(figures).toEqual({
    score: expect.closeTo(0.589, 3),
    consistency: expect.closeTo(0.549, 3),
    dependence: expect.closeTo(0.559, 3),
    finalAnswer: expect.closeTo(0.941, 3),
    below: 11,
    belowAndSound: 1,
    unsoundAtFullScore: 41,
    unsoundButCorrect: 6,
  })
})
