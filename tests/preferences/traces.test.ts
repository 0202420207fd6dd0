import { describe, expect, test } from 'vitest'
import { preferencesSchema } from '../../src/config/training.ts'
import { preferencePairSchema } from '../../src/preferences/pair.ts'
import { buildTracePairs, explainPairs, traceScore } from '../../src/preferences/traces.ts'
import type { ScorableTrace } from '../../src/preferences/traces.ts'

const defaults = preferencesSchema.parse({})

function trace(overrides: Partial<ScorableTrace> & { completion: string }): ScorableTrace {
  return {
    problem_id: 'p1',
    prompt: 'P',
    completion_ids: [1, 2],
    prompt_tokens: 5,
    correct: true,
    validity_rate: 1,
    trace_valid: true,
    warrant: 'proof',
    steps: [],
    policy: 'fp',
    ...overrides,
  }
}
const good = trace({ completion: 'good' })
const wrong = trace({
  completion: 'wrong',
  correct: false,
  validity_rate: 0.5,
  trace_valid: false,
  warrant: null,
})
const guess = trace({ completion: 'guess', validity_rate: 0, trace_valid: false, warrant: null })

describe('score', () => {
  test('adds correctness and the bonus of a proof to the validity rate', () => {
    expect(traceScore(good, defaults)).toBe(2.5)
    expect(traceScore(guess, defaults)).toBe(1)
  })
  test('a conclusion that only the solver warrants earns no bonus', () => {
    expect(traceScore(trace({ completion: 'u', warrant: 'solver' }), defaults)).toBe(2)
  })
})

describe('pairs', () => {
  test('best-vs-rest: the best trace against each other one, ids untouched, a valid record', () => {
    const { pairs, report } = buildTracePairs([wrong, good, guess], defaults)
    expect(pairs.map((pair) => [pair.chosen, pair.rejected])).toEqual([
      ['good', 'wrong'],
      ['good', 'guess'],
    ])
    expect(pairs[0]).toMatchObject({ chosen_ids: [1, 2], margin: 2, policy: 'fp', pair_type: 'trace' })
    expect(() => preferencePairSchema.parse(pairs[0])).not.toThrow()
    expect(report).toMatchObject({ problems: 1, problems_with_pairs: 1, pairs: 2 })
  })

  test('all: every combination; a lucky guess is never preferred to better steps', () => {
    const config = { ...defaults, mode: 'all' as const, require_valid_winner: false, min_validity_gap: 0 }
    const { pairs } = buildTracePairs([wrong, good, guess], config)
    expect(pairs.map((pair) => [pair.chosen, pair.rejected])).toEqual([
      ['good', 'wrong'],
      ['good', 'guess'],
    ])
    const third = trace({ completion: 'third', validity_rate: 0.8, correct: false, warrant: null })
    expect(buildTracePairs([wrong, good, third], config).pairs).toHaveLength(3)
  })

  test('traces of different problems are never paired', () => {
    const { pairs } = buildTracePairs([good, { ...wrong, problem_id: 'p2' }], defaults)
    expect(pairs).toEqual([])
  })

  // Defect 6: true did not require a valid winner, false crashed.
  test('require_valid_winner means valid by proof, and false works', () => {
    const solver = trace({ completion: 's', warrant: 'solver' })
    expect(buildTracePairs([solver, guess], defaults).pairs).toEqual([])
    expect(buildTracePairs([solver, guess], defaults).report.skipped.winner_not_valid).toBe(1)
    const loose = { ...defaults, require_valid_winner: false }
    expect(buildTracePairs([solver, guess], loose).pairs).toHaveLength(1)
  })

  test('the gap is one of validity rates, inclusive and tolerant of binary fractions', () => {
    const near = trace({
      completion: 'n',
      validity_rate: 0.9,
      correct: false,
      trace_valid: false,
      warrant: null,
    })
    expect(buildTracePairs([good, near], defaults).pairs).toHaveLength(1)
    expect(
      buildTracePairs([good, { ...near, validity_rate: 0.91 }], defaults).report.skipped.gap_too_small,
    ).toBe(1)
  })

  test('the cap keeps the widest margins and counts the rest', () => {
    const { pairs, report } = buildTracePairs([good, guess, wrong], { ...defaults, max_pairs_per_problem: 1 })
    expect(pairs.map((pair) => pair.rejected)).toEqual(['wrong'])
    expect(report.skipped.over_cap).toBe(1)
  })

  test('step: agreement up to a step that is valid in one and invalid in the other', () => {
    const step = (thought: string, solver_valid: boolean) => ({ thought, action: 'a', solver_valid })
    const config = { ...defaults, mode: 'step' as const, require_valid_winner: false }
    const a = { ...good, steps: [step('1', true), step('2', true)] }
    const b = { ...wrong, steps: [step('1', true), step('x', false)] }
    expect(buildTracePairs([a, b], config).pairs).toMatchObject([{ pair_type: 'step' }])
    const c = { ...wrong, steps: [step('1', true), step('2', true), step('3', false)] }
    expect(buildTracePairs([a, c], config).report.skipped.no_common_prefix).toBe(1)
  })

  test('without ids the pair says that it will be retokenised', () => {
    const bare = { ...good, completion_ids: undefined }
    const { pairs } = buildTracePairs([bare, wrong], defaults)
    expect(pairs[0]).toMatchObject({ retokenised: true })
    expect(pairs[0]).not.toHaveProperty('chosen_ids')
  })
})

describe('no pairs is explained', () => {
  const explain = (traces: ScorableTrace[], config = defaults) =>
    explainPairs(buildTracePairs(traces, config).report, config).join('\n')

  test.each([
    ['no traces', [], /no traces/],
    ['identical samples', [good, { ...good }], /identical samples: raise --temperature/],
    ['one sample per problem', [good], /--samples-per-problem/],
    ['no valid winner', [guess, wrong], /--require-valid-winner=false/],
    [
      'a small gap',
      [good, trace({ completion: 'x', validity_rate: 0.95, correct: false })],
      /--min-validity-gap/,
    ],
    ['equal scores', [good, trace({ completion: 'y' })], /equal scores/],
  ])('%s', (_, traces, expected) => {
    expect(explain(traces)).toMatch(expected)
  })
})
