import { expect, test } from 'vitest'
import { discrimination } from '../../src/regime-w/discrimination.ts'
import { rescore } from '../../src/regime-w/rescore.ts'

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
