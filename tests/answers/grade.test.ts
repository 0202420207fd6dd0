import { describe, expect, test } from 'vitest'
import { gradeOutput, readGold, totalGrades } from '../../src/answers/grade.ts'
import { format } from '../../src/answers/rational.ts'
import { sharedDataMissing, sharedJsonl } from '../support/shared-data.ts'

test('the verdict on one output', () => {
  expect(gradeOutput('9*2=18\n#### $18.00', '18')).toEqual({
    correct: true,
    prediction: '18',
    gold: '18',
    answered: true,
  })
  expect(gradeOutput('#### 1875', 'so it is\n#### 1,875').correct).toBe(true)
  expect(gradeOutput('#### 17', 18)).toEqual({ correct: false, prediction: '17', gold: '18', answered: true })
})

test('no answer is neither correct nor a wrong answer', () => {
  expect(gradeOutput('I do not know', '18')).toEqual({
    correct: false,
    prediction: null,
    gold: '18',
    answered: false,
  })
  // An output that shows the gold number without answering stays unanswered.
  expect(gradeOutput('9*2=18', '18').answered).toBe(false)
})

test('totals keep the three kinds apart', () => {
  const grades = ['#### 18', '#### 17', 'none', '#### about ten or 11'].map((o) => gradeOutput(o, '18'))
  expect(totalGrades(grades)).toEqual({ rows: 4, correct: 1, unanswered: 1 })
})

test('a gold answer that cannot be read is an error, never zero', () => {
  expect(() => gradeOutput('#### 18', '')).toThrow(/gold answer/)
  expect(() => gradeOutput('#### 18', 'eighteen')).toThrow(/gold answer/)
  expect(format(readGold('the answer\nA: -7', { marker: 'A:' }))).toBe('-7')
})

describe('labelled outputs of four models', () => {
  const path = ['gsm8k', 'example_model_solutions.jsonl']
  const models = ['6b_finetuning', '6b_verification', '175b_finetuning', '175b_verification'] as const
  type Row = { ground_truth: string } & Record<
    (typeof models)[number],
    { solution: string; is_correct: boolean }
  >

  test.skipIf(sharedDataMissing(...path))('5,276 outputs: no false negative, no false positive', () => {
    const counts = { rows: 0, correct: 0, unanswered: 0, falseNegatives: 0, falsePositives: 0 }
    for (const row of sharedJsonl<Row>(...path)) {
      for (const model of models) {
        const { solution, is_correct: label } = row[model]
        const grade = gradeOutput(solution, row.ground_truth, { marker: 'A:' })
        counts.rows++
        if (grade.correct) counts.correct++
        if (!grade.answered) counts.unanswered++
        if (label && !grade.correct) counts.falseNegatives++
        if (!label && grade.correct) counts.falsePositives++
      }
    }
    expect(counts).toEqual({
      rows: 5276,
      correct: 2001,
      unanswered: 11,
      falseNegatives: 0,
      falsePositives: 0,
    })
  })

  test.skipIf(sharedDataMissing(...path))('with the default marker they are unanswered, not wrong', () => {
    const row = sharedJsonl<Row>(...path)[0]!
    expect(gradeOutput(row['175b_verification'].solution, '18').answered).toBe(false)
  })
})
