import { expect, test } from 'vitest'
import { gradeOutput } from '../../src/answers/grade.ts'
import { discrimination } from '../../src/regime-w/discrimination.ts'
import { PRESETS } from '../../src/regime-w/group.ts'
import type { ScoredTrajectory } from '../../src/regime-w/group.ts'
import { rescore } from '../../src/regime-w/rescore.ts'
import { countWords } from '../../src/regime-w/scores.ts'
import { sharedDataMissing, sharedJsonl } from '../support/shared-data.ts'

const correct = (full_text: string, num_tokens: number) => ({
  full_text,
  answer: '8',
  num_tokens,
  correct: true,
})
const group = {
  question: 'She has 5 cats and 3 dogs. How many animals?',
  gold_answer: '8',
  trajectories: [
    correct('5 + 3 = 8\n#### 8', 20),
    correct('5 + 3 = 9\n#### 8', 20),
    correct('5 + 3 = 9\n#### 8', 20),
    correct('3 + 5 = 9\n#### 8', 40),
    { full_text: '#### 9', answer: '9', num_tokens: 3, correct: false },
  ],
}

test('guide sees length only, trajectory also soundness, looper8 nothing', () => {
  // Three distinct correct texts; the repeated one counts once.
  expect(discrimination([rescore(group, 'guide')], 0.01)).toEqual({
    comparable: 3,
    toldApart: 3,
    toldApartBeyondLength: 0,
    share: 1,
    shareBeyondLength: 0,
  })
  expect(discrimination([rescore(group, 'trajectory')], 0.01)).toMatchObject({ toldApartBeyondLength: 3 })
  expect(discrimination([rescore(group, 'looper8')], 0.01)).toMatchObject({ toldApart: 0, share: 0 })
})

test('nothing to compare is no share, not zero', () => {
  const lonely = { ...group, trajectories: group.trajectories.slice(1, 3) }
  expect(discrimination([rescore(lonely, 'guide')], 0.01)).toMatchObject({ comparable: 0, share: null })
})

const SOLUTIONS = ['gsm8k', 'example_model_solutions.jsonl']
test.skipIf(sharedDataMissing(...SOLUTIONS))('four models on 1,319 real questions', () => {
  const models = ['6b_finetuning', '6b_verification', '175b_finetuning', '175b_verification'] as const
  type Row = { question: string; ground_truth: string } & Record<
    (typeof models)[number],
    { solution: string }
  >
  const groups = sharedJsonl<Row>(...SOLUTIONS).map((row) => ({
    question: row.question,
    gold_answer: row.ground_truth,
    trajectories: models.map((model) => {
      const { solution } = row[model]
      const { prediction, correct } = gradeOutput(solution, row.ground_truth, { marker: 'A:' })
      // These outputs come without ids; words stand for tokens.
      return { full_text: solution, answer: prediction, num_tokens: countWords(solution), correct }
    }),
  }))
  const figures = PRESETS.map((preset) => {
    const { share, shareBeyondLength } = discrimination(
      groups.map((item) => rescore(item, preset)),
      0.01,
    )
    return { preset, share, shareBeyondLength }
  })
  expect(figures).toEqual([
    { preset: 'guide', share: expect.closeTo(0.65, 3), shareBeyondLength: 0 },
    { preset: 'looper8', share: 0, shareBeyondLength: 0 },
    { preset: 'trajectory', share: expect.closeTo(0.92, 3), shareBeyondLength: expect.closeTo(0.895, 3) },
  ])
  // Without closeness, which compares wording: what re-execution alone tells apart.
  const reexecuted = groups.map((item) => {
    const scored = rescore(item, 'trajectory')
    const withoutCloseness = (trajectory: ScoredTrajectory): ScoredTrajectory => {
      const { consistency, dependence } = trajectory.components
      const shape = 0.12 * ((consistency ?? 0) + (dependence ?? 0))
      return { ...trajectory, components: { ...trajectory.components, shape } }
    }
    return Object.assign(scored, { trajectories: scored.trajectories.map(withoutCloseness) })
  })
  expect(discrimination(reexecuted, 0.01)).toMatchObject({
    comparable: 1703,
    shareBeyondLength: expect.closeTo(0.042, 3),
  })
})
