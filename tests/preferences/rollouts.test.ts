import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { preferencePairSchema } from '../../src/preferences/pair.ts'
import { explainRolloutPairs } from '../../src/preferences/rollouts-explain.ts'
import { buildRolloutPairs, DEFAULT_ROLLOUT_PAIRS } from '../../src/preferences/rollouts.ts'
import type { Preset, RolloutGroup, ScoredGroup, Trajectory } from '../../src/regime-w/group.ts'
import { rescore } from '../../src/regime-w/rescore.ts'

const SOUND = '5 + 3 = 8\n#### 8'
const BROKEN = '5 + 3 = 9\n#### 8'
const BARE = '#### 8'

const right = (full_text: string, num_tokens: number): Trajectory => ({
  full_text,
  num_tokens,
  answer: '8',
  correct: true,
})
const wrong = (full_text: string, num_tokens = 20): Trajectory => ({
  full_text,
  num_tokens,
  answer: '9',
  correct: false,
})
const scored = (
  trajectories: Trajectory[],
  preset: Preset = 'guide',
  more: Partial<RolloutGroup> = {},
): ScoredGroup =>
  rescore(
    {
      question_id: 'q1',
      question: 'She has 5 cats and 3 dogs. How many animals?',
      gold_answer: '8',
      prompt: 'Question:\n...',
      trajectories,
      ...more,
    },
    preset,
  )
const build = (group: ScoredGroup, options = {}) =>
  buildRolloutPairs([group], { ...DEFAULT_ROLLOUT_PAIRS, ...options })
const summary = (group: ScoredGroup, options = {}) =>
  build(group, options).pairs.map((pair) => [pair.pair_type, pair.chosen, pair.rejected])

describe('correctness comes first', () => {
  test('each correct against each wrong, then the correct ones by length under guide', () => {
    const group = scored([right(SOUND, 20), right(BROKEN, 60), wrong('a'), wrong('b')])
    expect(summary(group)).toEqual([
      ['correctness', SOUND, 'a'],
      ['correctness', SOUND, 'b'],
      ['correctness', BROKEN, 'a'],
      ['correctness', BROKEN, 'b'],
      ['length', SOUND, BROKEN],
    ])
  })

  test('also when length costs the correct one more than it earns', () => {
    const [pair] = build(scored([right(SOUND, 3000), wrong('a', 1)])).pairs
    expect(pair?.pair_type).toBe('correctness')
    expect(pair?.margin).toBeLessThan(0)
    expect(pair?.margin).toBe(pair!.chosen_score - pair!.rejected_score)
  })
})

describe('pairs of correct answers', () => {
  test('guide prefers the shorter, however unsound', () => {
    expect(summary(scored([right(SOUND, 60), right(BROKEN, 20)]))).toEqual([['length', BROKEN, SOUND]])
  })

  test('trajectory prefers the sound one of two equally long ones: a coherence pair', () => {
    expect(summary(scored([right(SOUND, 20), right(BROKEN, 20)], 'trajectory'))).toEqual([
      ['coherence', SOUND, BROKEN],
    ])
  })

  test('trajectory calls a pair that only length decides a length pair', () => {
    const other = '3 + 5 = 8\n#### 8'
    expect(summary(scored([right(SOUND, 20), right(other, 60)], 'trajectory'))).toEqual([
      ['length', SOUND, other],
    ])
    // Shape speaks for SOUND, length for BROKEN, and length wins: nothing that could be called coherence.
    expect(summary(scored([right(SOUND, 900), right(BROKEN, 20)], 'trajectory'))).toEqual([
      ['length', BROKEN, SOUND],
    ])
  })

  test('trajectory never chooses one without equations', () => {
    const { pairs, report } = build(scored([right(BARE, 3), right(BROKEN, 400)], 'trajectory'))
    expect(pairs).toEqual([])
    expect(report.skipped.chosen_without_equations).toBe(1)
    expect(summary(scored([right(BARE, 3), right(BROKEN, 400)], 'guide'))).toHaveLength(1)
  })

  test('looper8 finds none', () => {
    const { pairs, report } = build(scored([right(SOUND, 20), right(BROKEN, 60)], 'looper8'))
    expect(pairs).toEqual([])
    expect(report.skipped.below_threshold).toBe(1)
  })

  test('the margin must be above the threshold, not at it', () => {
    expect(summary(scored([right(SOUND, 20), right(BROKEN, 30)]))).toHaveLength(0)
    expect(summary(scored([right(SOUND, 20), right(BROKEN, 31)]))).toHaveLength(1)
    expect(summary(scored([right(SOUND, 20), right(BROKEN, 31)]), { threshold: 0.02 })).toHaveLength(0)
  })
})

describe('what is left out is counted', () => {
  test('identical and empty texts', () => {
    const { pairs, report } = build(scored([right(SOUND, 20), right(SOUND, 20), wrong(''), wrong(' ')]))
    expect(pairs).toEqual([])
    expect(report).toMatchObject({
      identical_trajectories: 1,
      empty_trajectories: 2,
      questions_all_identical: 1,
    })
  })

  test('the cap keeps correctness and wide margins', () => {
    const group = scored([right(SOUND, 20), right(BROKEN, 60), wrong('a', 10), wrong('b', 90)])
    const { pairs, report } = build(group, { maxPairsPerQuestion: 2 })
    expect(pairs.map((pair) => [pair.chosen, pair.rejected])).toEqual([
      [SOUND, 'b'],
      [BROKEN, 'b'],
    ])
    expect(report.skipped.over_cap).toBe(3)
    expect(report.pairs).toEqual({ correctness: 2, coherence: 0, length: 0 })
  })

  test('the yield of other thresholds', () => {
    const { report } = build(
      scored([right(SOUND, 20), right(BROKEN, 25), right(BARE, 60), right('8\n#### 8', 150)]),
    )
    // Differences in tokens: 5, 40, 130, 35, 125, 90, each a thousandth of a point.
    expect(report.yield).toEqual([
      { threshold: 0.1, correctness: 0, coherence: 0, length: 2 },
      { threshold: 0.03, correctness: 0, coherence: 0, length: 5 },
      { threshold: 0.01, correctness: 0, coherence: 0, length: 5 },
      { threshold: 0.003, correctness: 0, coherence: 0, length: 6 },
    ])
  })

  test('the reasons for no pairs name the flag to change', () => {
    const reasons = (group: ScoredGroup) =>
      explainRolloutPairs(build(group).report, DEFAULT_ROLLOUT_PAIRS).join('\n')
    expect(reasons(scored([right(SOUND, 20), right(SOUND, 20)]))).toMatch(/temperature/)
    expect(reasons(scored([wrong('a'), wrong('b')]))).toMatch(/no correct answer/)
    expect(reasons(scored([right(SOUND, 20), right(BROKEN, 21)]))).toMatch(/--threshold/)
    expect(reasons(scored([right(BARE, 2), right(BROKEN, 90)], 'trajectory'))).toMatch(/without equations/)
    expect(explainRolloutPairs(buildRolloutPairs([]).report, DEFAULT_ROLLOUT_PAIRS)[0]).toMatch(
      /no questions/,
    )
  })
})

describe('the records', () => {
  test('ids go through untouched, and their absence is said', () => {
    const withIds = scored([
      { ...right(SOUND, 3), completion_ids: [5, 6, 7] },
      { ...wrong('a'), completion_ids: [5, 9] },
    ])
    expect(build(withIds).pairs[0]).toMatchObject({ chosen_ids: [5, 6, 7], rejected_ids: [5, 9] })
    expect(build(withIds).pairs[0]).not.toHaveProperty('retokenised')
    expect(build(scored([{ ...right(SOUND, 3), completion_ids: [5] }, wrong('a')])).pairs[0]).toMatchObject({
      retokenised: true,
    })
  })

  test('a group without a prompt is an error', () => {
    const { prompt: _, ...bare } = scored([right(SOUND, 20), wrong('a')])
    expect(() => buildRolloutPairs([bare])).toThrow(/prompt/)
  })

  test('for any rollouts: valid, distinct, capped, and the same in any order', () => {
    const text = fc.constantFrom(
      SOUND,
      BROKEN,
      BARE,
      '5 + 3 = 8, yes\n#### 8',
      '8 + 0 = 8\n#### 8',
      '',
      '5 + 4 = 9',
    )
    const arm = fc.tuple(text, fc.boolean(), fc.integer({ min: 1, max: 200 }))
    const preset = fc.constantFrom<Preset>('guide', 'looper8', 'trajectory')
    fc.assert(
      fc.property(
        fc.uniqueArray(arm, { minLength: 1, maxLength: 8, selector: ([t]) => t }),
        preset,
        fc.nat(6),
        (items, name, cap) => {
          const trajectories = items.map(([t, ok, tokens]) => (ok ? right(t, tokens) : wrong(t, tokens)))
          const { pairs, report } = build(scored(trajectories, name), { maxPairsPerQuestion: cap })
          expect(pairs.length).toBeLessThanOrEqual(cap)
          expect(pairs).toHaveLength(report.pairs.correctness + report.pairs.coherence + report.pairs.length)
          for (const pair of pairs) {
            expect(preferencePairSchema.parse(pair)).toEqual(pair)
            expect(pair.chosen).not.toBe(pair.rejected)
            expect(pair.pair_type === 'correctness' || pair.margin > 0.01).toBe(true)
          }
          expect(build(scored(trajectories.toReversed(), name), { maxPairsPerQuestion: cap }).pairs).toEqual(
            pairs,
          )
        },
      ),
    )
  })
})
