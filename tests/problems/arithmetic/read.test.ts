import { describe, expect, test } from 'vitest'
import {
  platinumOverlaySchema,
  platinumQuestions,
  readQuestions,
} from '../../../src/problems/arithmetic/read.ts'
import { sharedDataMissing, sharedJson, sharedText } from '../../support/shared-data.ts'

const row = (fields: object) =>
  JSON.stringify({ question: 'How many?', answer: 'work\n#### 1,080', ...fields })

describe('rows', () => {
  test('the gold answer is canonical, unknown fields are kept, names are made', () => {
    const { questions, issues } = readQuestions(
      `${row({ source: 'x' })}\n${row({ answer: '#### -7' })}\n`,
      'train',
    )
    expect(issues).toEqual([])
    expect(questions).toEqual([
      {
        question_id: 'train-0',
        question: 'How many?',
        answer: 'work\n#### 1,080',
        gold_answer: '1080',
        source: 'x',
      },
      { question_id: 'train-1', question: 'How many?', answer: '#### -7', gold_answer: '-7' },
    ])
  })

  test('a row that is no question is reported with its place, and the others are read', () => {
    const text = `${row({})}\n{"question": "?"}\n${row({ answer: 'no number' })}\nnonsense\n${row({})}`
    const { questions, issues } = readQuestions(text, 'train')
    expect(questions.map((question) => question.question_id)).toEqual(['train-0', 'train-3'])
    expect(issues.map(({ position }) => position).toSorted()).toEqual(['line 2', 'line 3', 'line 4'])
  })
})

const gsm8k = (split: string) => readQuestions(sharedText('gsm8k', `${split}.jsonl`), `gsm8k-${split}`)

test.skipIf(sharedDataMissing('gsm8k', 'train.jsonl'))('GSM8K: every row, every answer an integer', () => {
  for (const [split, rows] of [
    ['train', 7473],
    ['test', 1319],
  ] as const) {
    const { questions, issues } = gsm8k(split)
    expect(issues).toEqual([])
    expect(questions).toHaveLength(rows)
    expect(questions.filter(({ gold_answer: gold }) => !/^-?\d+$/.test(gold))).toEqual([])
  }
})

const PLATINUM = ['gsm8k_platinum', 'test.jsonl']
describe.skipIf(sharedDataMissing(...PLATINUM))('GSM8K Platinum', () => {
  const file = () => readQuestions(sharedText(...PLATINUM), 'gsm8k-platinum')
  const overlay = () => platinumOverlaySchema.parse(sharedJson('gsm8k_platinum', 'overlay.json'))

  test('as a file of its own and built from the overlay it is the same', () => {
    const { questions, issues } = file()
    expect(issues).toEqual([])
    const built = platinumQuestions(gsm8k('test').questions, overlay())
    expect(built).toHaveLength(1209)
    expect(built).toEqual(questions)
    expect(built.filter((question) => question['revised'])).toHaveLength(10)
  })

  test('10 answers differ from GSM8K', () => {
    const before = gsm8k('test').questions
    const changed = file().questions.filter(
      (question) => before[Number(question['gsm8k_test_index'])]?.gold_answer !== question.gold_answer,
    )
    expect(changed).toHaveLength(10)
  })

  test('an overlay on other questions is refused', () => {
    expect(() => platinumQuestions(gsm8k('test').questions.slice(1), overlay())).toThrow(/overlay/)
  })
})
