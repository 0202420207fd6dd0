import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rememberCounterfactuals } from '../../src/regime-w/counterfactual.ts'
import { rolloutGroupSchema, scoredGroupSchema } from '../../src/regime-w/group.ts'
import type { RolloutGroup, Trajectory } from '../../src/regime-w/group.ts'
import { rescore } from '../../src/regime-w/rescore.ts'
import { commonestAnswer, lengthAgreement, normaliseAnswer, weightedMean } from '../../src/regime-w/scores.ts'
import { sharedDataMissing, sharedJson } from '../support/shared-data.ts'

const QUESTION = 'Natalia sold clips to 48 friends in April, and half as many in May. How many altogether?'
const WORK = '48/2 = <<48/2=24>>24\n48+24 = <<48+24=72>>72\n#### 72'

function trajectory(fields: Partial<Trajectory> = {}): Trajectory {
  return { full_text: WORK, answer: '72', num_tokens: 20, correct: true, ...fields }
}

function group(...trajectories: Trajectory[]): RolloutGroup {
  return rolloutGroupSchema.parse({ question: QUESTION, gold_answer: '72', trajectories })
}

/** Answer, length, and whether the text shows work. */
const arms = fc.array(
  fc.record({
    answer: fc.constantFrom('72', '72.0', '24', '7', null),
    num_tokens: fc.integer({ min: 0, max: 400 }),
    full_text: fc.constantFrom(WORK, '48+24 = 72\n#### 72', '#### 72', '48/2 = 24\n#### 24', ''),
  }),
  { minLength: 1, maxLength: 8 },
)
const armGroup = (items: readonly Pick<Trajectory, 'answer' | 'num_tokens' | 'full_text'>[]) =>
  group(...items.map((item) => trajectory({ ...item, correct: normaliseAnswer(item.answer) === '72' })))

const GOLDEN = ['regime_w', 'golden_reward.json']
test.skipIf(sharedDataMissing(...GOLDEN))('the golden numbers of looper8, to the last digit', () => {
  const golden = sharedJson(...GOLDEN) as Record<string, number> & {
    word_counts: number[]
  }
  const trajectories = golden.word_counts.map((words) =>
    trajectory({ full_text: Array.from({ length: words }, () => 'word').join(' ') }),
  )
  const scored = rescore(group(...trajectories), 'looper8')
  expect([scored.s_end, scored.s_path, scored.s_cf, scored.s_wm]).toEqual([
    golden['s_end'],
    golden['s_path'],
    golden['s_cf'],
    golden['s_wm'],
  ])
  expect(new Set(scored.trajectories.map(({ reward }) => reward))).toEqual(new Set([golden['reward_each']]))
})

describe('guide', () => {
  test('the formulas, by hand', () => {
    const scored = rescore(
      group(
        trajectory({ num_tokens: 10 }),
        trajectory({ num_tokens: 30 }),
        trajectory({ num_tokens: 20, answer: '24', correct: false, full_text: 'no work\n#### 24' }),
        trajectory({ num_tokens: 20, answer: null, correct: false, full_text: '' }),
      ),
      'guide',
    )
    expect(scored.s_end).toBe(2 / 4)
    // Lengths 10, 30, 20, 20: variance 50, mean 20.
    expect(scored.s_path).toBe(1 - 50 / 400)
    // Two trajectories with work, both with every equation right and both numbers reaching the answer.
    expect(scored.s_cf).toBe(1)
    expect(scored.s_wm).toBeCloseTo(0.5 * 0.5 + 0.3 * 0.875 + 0.2 * 1, 12)
    expect(scored.weights).toEqual({ s_end: 0.5, s_path: 0.3, s_cf: 0.2 })
    const rewards = scored.trajectories.map(({ reward }) => reward)
    const coherence = 0.5 * scored.s_wm
    expect(rewards[0]).toBeCloseTo(1 + coherence + 0.2 - 0.01, 12)
    expect(rewards[1]).toBeCloseTo(1 + coherence + 0.2 - 0.03, 12)
    expect(rewards[2]).toBeCloseTo(coherence - 0.02, 12)
    expect(rewards[3]).toBeCloseTo(coherence - 0.02, 12)
  })

  test('a tie for the commonest answer gives nobody the bonus', () => {
    const wrong = trajectory({ answer: '24', correct: false })
    const scored = rescore(group(trajectory(), wrong), 'guide')
    expect(scored.s_end).toBe(0.5)
    expect(scored.trajectories.map(({ components }) => components.agreement)).toEqual([0, 0])
  })

  test('no answer agrees with nothing, not even with no answer', () => {
    const none = trajectory({ answer: null, correct: false, full_text: '' })
    const scored = rescore(group(none, none, none), 'guide')
    expect(scored.s_end).toBe(0)
    expect(scored.trajectories.map(({ components }) => components.agreement)).toEqual([0, 0, 0])
    expect(rescore(group(none, none), 'looper8').s_end).toBe(1)
  })

  test('an undefined score is null, its weight goes to the others, and both are recorded', () => {
    const scored = rescore(group(trajectory({ full_text: '#### 72', num_tokens: 3 })), 'guide')
    expect(scored.s_cf).toBeNull()
    expect(scored.weights).toEqual({ s_end: 0.625, s_path: expect.closeTo(0.375, 12), s_cf: null })
    expect(scored.s_wm).toBe(1)
    const empty = rescore(
      group(trajectory({ full_text: '', answer: null, correct: false, num_tokens: 0 })),
      'guide',
    )
    expect([empty.s_path, empty.s_cf, empty.s_wm]).toEqual([null, null, 0])
    expect(empty.weights).toEqual({ s_end: 1, s_path: null, s_cf: null })
  })

  test('a single trajectory is degenerate', () => {
    expect(rescore(group(trajectory()), 'guide').degenerate).toBe(true)
    expect(rescore(group(trajectory(), trajectory()), 'guide').degenerate).toBe(false)
  })

  test('its own constants can be changed', () => {
    const scored = rescore(group(trajectory()), 'guide', {
      beta_coherence: 0,
      beta_agreement: 0,
      alpha_length: 0,
    })
    expect(scored.trajectories[0]?.reward).toBe(1)
  })

  test('equal numbers are equal answers', () => {
    expect(['72', 72, '72.00', ' $72 ', '', null].map(normaliseAnswer)).toEqual([
      '72',
      '72',
      '72',
      '72',
      null,
      null,
    ])
    expect(commonestAnswer(['1', null, '2', '1'])).toEqual({ answer: '1', count: 2, unique: true })
    expect(commonestAnswer([null])).toBeNull()
  })
})

describe('trajectory', () => {
  const wrongStep = trajectory({ full_text: '48/2 = 24\n48+24 = 73\n#### 72' })
  const bare = trajectory({ full_text: '#### 72' })

  test('tells correct answers of one length apart by what their equations say', () => {
    const [sound, broken, none] = rescore(group(trajectory(), wrongStep, bare), 'trajectory').trajectories
    expect(sound?.components).toMatchObject({
      equations: 2,
      consistency: 1,
      dependence: 1,
      counterfactual: 1,
    })
    expect(broken?.components).toMatchObject({
      equations: 2,
      consistency: 0.5,
      dependence: 0,
      counterfactual: 0,
    })
    expect(sound!.reward).toBeGreaterThan(broken!.reward)
    expect(broken!.reward).toBeGreaterThan(none!.reward)
    expect(none?.components).toMatchObject({
      shape: 0,
      consistency: null,
      dependence: null,
      counterfactual: null,
    })
    // guide does not see the difference.
    expect(
      new Set(rescore(group(trajectory(), wrongStep, bare), 'guide').trajectories.map((t) => t.reward)).size,
    ).toBe(1)
  })

  test('the shape term, by hand', () => {
    const [first] = rescore(group(trajectory(), trajectory()), 'trajectory').trajectories
    expect(first?.components.closeness).toBe(1)
    expect(first?.components.shape).toBeCloseTo(0.3 * (0.4 + 0.4 + 0.2), 12)
  })
})

describe('for any group', () => {
  const presets = fc.constantFrom('guide', 'looper8', 'trajectory' as const)

  test('scores stay in [0, 1], terms add up to the reward, and the record is valid', () => {
    fc.assert(
      fc.property(arms, presets, (items, preset) => {
        const scored = scoredGroupSchema.parse(rescore(armGroup(items), preset))
        for (const score of [scored.s_end, scored.s_path, scored.s_cf, scored.s_wm]) {
          expect(score ?? 0).toBeGreaterThanOrEqual(0)
          expect(score ?? 0).toBeLessThanOrEqual(1 + 1e-12)
        }
        for (const { reward, components: c } of scored.trajectories) {
          expect(c.correctness + c.coherence + c.agreement + c.shape + c.length).toBe(reward)
        }
      }),
    )
  })

  test('the order of the trajectories does not matter', () => {
    fc.assert(
      fc.property(arms, presets, fc.infiniteStream(fc.nat()), (items, preset, stream) => {
        const order = items
          .map((_, index) => [stream.next().value ?? 0, index] as const)
          .toSorted(([a], [b]) => a - b)
        const straight = rescore(armGroup(items), preset)
        const shuffled = rescore(armGroup(order.map(([, index]) => items[index]!)), preset)
        expect(shuffled.s_wm).toBe(straight.s_wm)
        order.forEach(([, index], position) => {
          expect(shuffled.trajectories[position]).toEqual(straight.trajectories[index])
        })
      }),
    )
  })

  test('scoring again gives the same, whatever was scored before', () => {
    fc.assert(
      fc.property(arms, presets, presets, (items, first, second) => {
        const raw = armGroup(items)
        expect(rescore(rescore(raw, first), second)).toEqual(rescore(raw, second))
      }),
    )
  })

  test('within a question, guide prefers the shorter of two equal answers', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 1, max: 500 }), (tokens, more) => {
        const [short, long] = rescore(
          group(trajectory({ num_tokens: tokens }), trajectory({ num_tokens: tokens + more })),
          'guide',
        ).trajectories
        expect(short!.reward).toBeGreaterThan(long!.reward)
      }),
    )
  })

  test('more agreement never lowers the scores', () => {
    expect(lengthAgreement([10, 20])).toBeLessThan(lengthAgreement([10, 15])!)
    expect(lengthAgreement([1, 1000, 1, 1])).toBe(0)
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.9, noNaN: true }), (s_end) => {
        const at = (end: number) =>
          weightedMean({ s_end: end, s_path: 0.5, s_cf: null }, { s_end: 0.5, s_path: 0.3, s_cf: 0.2 }).s_wm
        expect(at(s_end + 0.1)).toBeGreaterThan(at(s_end))
      }),
    )
  })
})

test('unknown fields are kept', () => {
  const raw = rolloutGroupSchema.parse({
    ...group(trajectory()),
    run: 'x',
    trajectories: [{ ...trajectory(), note: 'y' }],
  })
  const scored = rescore(raw, 'guide')
  expect(scored['run']).toBe('x')
  expect(scored.trajectories[0]?.['note']).toBe('y')
})

test('a scorer that remembers gives the same scores, asked in any order, for texts and answers that differ in little', () => {
  const counterfactual = rememberCounterfactuals()
  fc.assert(
    fc.property(arms, fc.constantFrom('guide', 'looper8', 'trajectory'), (items, preset) => {
      const sampled = armGroup(items)
      expect(rescore(sampled, preset, undefined, counterfactual)).toEqual(rescore(sampled, preset))
    }),
  )
})
