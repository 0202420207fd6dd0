import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { gradeOutput } from '../../../src/answers/grade.ts'
import { demonstrateArithmetic } from '../../../src/problems/arithmetic/demonstrations.ts'
import { generateQuestions, splitOf } from '../../../src/problems/arithmetic/generate.ts'
import { arithmeticQuestionSchema } from '../../../src/problems/arithmetic/question.ts'
import { renderSolution } from '../../../src/problems/arithmetic/solution.ts'
import { SPLITS } from '../../../src/problems/generator/generate.ts'
import { renderAbelPrompt } from '../../../src/prompts/abel.ts'
import { scoreCounterfactual } from '../../../src/regime-w/counterfactual.ts'

const questions = generateQuestions({ count: 400, seed: 7, split: 'train' })

test("Abel's template, to the letter", () => {
  expect(renderAbelPrompt('How many?')).toBe("Question:\nHow many?\nAnswer:\nLet's think step by step.\n")
})

test('one question of each kind of step', () => {
  const first = generateQuestions({ count: 4, seed: 7, split: 'train' })
  expect(first.map(({ steps }) => steps?.length)).toEqual([1, 2, 3, 4])
  expect(first[3]).toMatchInlineSnapshot(`
    {
      "answer": "With the 4 from Cleo, Ana has 3 + 4 = <<3+4=7>>7 stamps.
    After giving 3 to Cleo, Ana has 7 - 3 = <<7-3=4>>4 stamps.
    After buying 11 more, Ana has 4 + 11 = <<4+11=15>>15 stamps.
    With 2 times as many, Ana has 15 * 2 = <<15*2=30>>30 stamps.
    #### 30",
      "gold_answer": "30",
      "question": "Ana has 3 stamps. Cleo gives Ana 4 stamps. Ana gives 3 stamps to Cleo. Then she buys 11 more stamps. A month later she has 2 times as many stamps. How many stamps does Ana have now?",
      "question_id": "train-3",
      "steps": [
        {
          "lead": "With the 4 from Cleo, Ana has",
          "left": 3,
          "operator": "+",
          "result": 7,
          "right": 4,
          "unit": "stamps",
        },
        {
          "lead": "After giving 3 to Cleo, Ana has",
          "left": 7,
          "operator": "-",
          "result": 4,
          "right": 3,
          "unit": "stamps",
        },
        {
          "lead": "After buying 11 more, Ana has",
          "left": 4,
          "operator": "+",
          "result": 15,
          "right": 11,
          "unit": "stamps",
        },
        {
          "lead": "With 2 times as many, Ana has",
          "left": 15,
          "operator": "*",
          "result": 30,
          "right": 2,
          "unit": "stamps",
        },
      ],
    }
  `)
})

test('deterministic, and question i does not depend on the count', () => {
  expect(generateQuestions({ count: 400, seed: 7, split: 'train' })).toEqual(questions)
  expect(generateQuestions({ count: 20, seed: 7, split: 'train' })).toEqual(questions.slice(0, 20))
  expect(generateQuestions({ count: 20, seed: 8, split: 'train' })).not.toEqual(questions.slice(0, 20))
})

test('questions are distinct, valid records, and use all operations', () => {
  expect(new Set(questions.map(({ question }) => question)).size).toBe(400)
  for (const question of questions) expect(arithmeticQuestionSchema.parse(question)).toEqual(question)
  const operators = questions.flatMap(({ steps = [] }) => steps.map(({ operator }) => operator))
  expect([...new Set(operators)].toSorted()).toEqual(['*', '+', '-', '/'])
})

test('solutions are right: each equation holds, and the answer follows', () => {
  let score = 0
  for (const { question, answer, gold_answer: gold } of questions) {
    expect(gradeOutput(answer, gold).correct).toBe(true)
    const judged = scoreCounterfactual(question, answer, gold)
    expect(judged.consistency).toBe(1)
    score += judged.score ?? 0
  }
  // Not all: where a result equals a number of the question, re-execution may follow the wrong one.
  expect(score / questions.length).toBeGreaterThan(0.97)
})

describe('splits', () => {
  test('share no calculation, whatever their seeds', () => {
    fc.assert(
      fc.property(fc.constantFrom(...SPLITS), fc.nat(), (split, seed) => {
        const calculations = generateQuestions({ count: 30, seed, split, maxOperand: 9, maxResult: 40 })
        expect(calculations.map(({ steps = [] }) => splitOf(steps))).toEqual(calculations.map(() => split))
      }),
      { numRuns: 20 },
    )
  })

  test('a thousand held-out questions are there', () => {
    expect(generateQuestions({ count: 1000, seed: 1, split: 'held_out' })).toHaveLength(1000)
  })
})

describe('styles', () => {
  const [, , three] = questions

  test('one solution in three lengths', () => {
    const [bare, terse, wordy] = (['bare', 'terse', 'wordy'] as const).map((style) =>
      renderSolution(three?.steps ?? [], style),
    )
    expect(bare).toBe(`#### ${three?.gold_answer}`)
    expect(terse).toMatch(/^(\d+[-+*/]\d+=<<\d+[-+*/]\d+=\d+>>\d+\n){3}#### \d+$/)
    expect(wordy!.length).toBeGreaterThan(2 * terse!.length)
  })

  test('mixed is half terse and half wordy', () => {
    const wordy = questions.filter(({ answer, steps = [] }) => answer === renderSolution(steps, 'wordy'))
    expect(wordy.length).toBeGreaterThan(160)
    expect(wordy.length).toBeLessThan(240)
  })

  test('demonstrations mix worked and bare answers in the shares asked for', () => {
    const options = { bareShare: 0.25, wordyShare: 0.5, seed: 3 }
    const completions = questions.map((question) => demonstrateArithmetic(question, options).completion)
    const bare = completions.filter((completion) => completion.startsWith('####')).length
    expect(bare / questions.length).toBeGreaterThan(0.18)
    expect(bare / questions.length).toBeLessThan(0.32)
    expect(demonstrateArithmetic(questions[0]!, options).prompt).toBe(
      renderAbelPrompt(questions[0]!.question),
    )
    const none = { ...options, bareShare: 0 }
    expect(questions.some((q) => demonstrateArithmetic(q, none).completion.startsWith('####'))).toBe(false)
    const { steps: _, ...foreign } = questions[0]!
    expect(() => demonstrateArithmetic(foreign, options)).toThrow(/no steps/)
  })
})

test.each([
  [{ steps: [] }, /steps/],
  [{ steps: [0] }, /steps/],
  [{ maxOperand: 1 }, /max_operand/],
  [{ maxOperand: 20, maxResult: 10 }, /max_result/],
  [{ count: -1 }, /count/],
  [{ count: 100_000, steps: [1], maxOperand: 2, maxResult: 4 }, /admit only/],
])('settings that make no sense are refused: %j', (options, message) => {
  expect(() => generateQuestions({ count: 10, seed: 1, split: 'train', ...options })).toThrow(message)
})
