import { describe, expect, test } from 'vitest'
import { compare } from '../../src/evaluation/metrics-compare.ts'
import type { EvaluatedTrace } from '../../src/evaluation/metrics-record.ts'
import { computeMetrics } from '../../src/evaluation/metrics.ts'
import { wilson } from '../../src/evaluation/statistics.ts'

/** A right answer with a valid proof of two steps, unless said otherwise. */
function trace(problem_id: string, changes: Partial<EvaluatedTrace> = {}): EvaluatedTrace {
  return {
    problem_id,
    sample_idx: 0,
    label: 'TRUE',
    status: 'judged',
    trace_code: null,
    final_answer: 'TRUE',
    correct: true,
    warranted: true,
    warrant: 'proof',
    trace_valid: true,
    valid_step_count: 2,
    total_step_count: 2,
    validity_rate: 1,
    num_tokens: 40,
    finish_reason: 'conclude',
    steps: [{ code: null }, { code: null }],
    ...changes,
  }
}

const WRONG = {
  final_answer: 'FALSE',
  correct: false,
  warranted: false,
  warrant: null,
  trace_valid: false,
  valid_step_count: 1,
  total_step_count: 4,
  validity_rate: 0.25,
  num_tokens: 80,
  steps: [{ code: null }, { code: 'rule_mismatch' }, { code: 'rule_mismatch' }, { code: 'not_warranted' }],
} as const satisfies Partial<EvaluatedTrace>
const wrong = { ...WRONG, steps: [...WRONG.steps] }

describe('one trace per problem', () => {
  const metrics = computeMetrics([
    trace('a', { depth: 1 }),
    trace('b', { depth: 1, ...wrong }),
    trace('c', { depth: 2, label: 'FALSE', final_answer: 'FALSE' }),
    trace('d', { depth: 2, label: 'UNKNOWN', final_answer: 'UNKNOWN', warrant: 'solver' }),
    trace('e', {
      ...wrong,
      final_answer: null,
      total_step_count: 0,
      valid_step_count: 0,
      validity_rate: 0,
      steps: [],
      num_tokens: 0,
      finish_reason: 'length',
      trace_code: 'no_conclusion',
    }),
  ])

  test('proportions have Wilson intervals over problems', () => {
    expect(metrics.problems).toBe(5)
    expect(metrics.accuracy).toEqual(wilson(3, 5))
    expect(metrics.warranted).toEqual(wilson(3, 5))
    expect(metrics.majority_label).toEqual({ label: 'TRUE', accuracy: wilson(3, 5) })
  })

  test('trace validity is by proof and over TRUE and FALSE only; UNKNOWN has a row of its own', () => {
    expect(metrics.trace_validity).toEqual(wilson(2, 4))
    expect(metrics.unknown).toEqual({ problems: 1, certified: wilson(1, 1) })
    const row = metrics.by_label.find(({ label }) => label === 'UNKNOWN')
    expect(row).toMatchObject({ problems: 1, trace_validity: null, accuracy: wilson(1, 1) })
  })

  test('a valid trace that only the solver warrants is no proof', () => {
    expect(computeMetrics([trace('a', { warrant: 'solver' })]).trace_validity?.value).toBe(0)
  })

  test('steps are weighed by number, rates by trace, and a trace without steps counts in the latter', () => {
    expect(metrics.step_validity).toMatchObject({ value: 7 / 10, method: 'bootstrap', n: 5 })
    expect(metrics.validity_rate?.value).toBeCloseTo((1 + 0.25 + 1 + 1 + 0) / 5, 14)
    expect(metrics.traces_without_steps).toBe(1)
    expect(metrics.steps_per_trace.value).toBe(2)
    expect(metrics.tokens_per_trace.value).toBe(40)
  })

  test('counts, and tables by depth and label', () => {
    expect(metrics.finish_reasons).toEqual({ conclude: 4, length: 1 })
    expect(metrics.error_codes).toEqual({ rule_mismatch: 2, no_conclusion: 1, not_warranted: 1 })
    expect(metrics.by_depth.map(({ depth, problems }) => [depth, problems])).toEqual([
      [1, 2],
      [2, 2],
      [null, 1],
    ])
    expect(metrics.by_depth[0]).toMatchObject({ accuracy: wilson(1, 2), trace_validity: wilson(1, 2) })
    expect(metrics.by_label.map(({ label, problems }) => [label, problems])).toEqual([
      ['TRUE', 3],
      ['FALSE', 1],
      ['UNKNOWN', 1],
    ])
    expect(metrics.self_consistency).toBeNull()
  })

  test('without a step there is no step validity, without a depth no table', () => {
    const none = computeMetrics([
      trace('a', { total_step_count: 0, valid_step_count: 0, steps: [], trace_valid: false }),
    ])
    expect(none.step_validity).toBeNull()
    expect(none.by_depth).toEqual([])
    expect(none.unknown).toBeNull()
  })
})

test('problems that cannot be judged are set apart, and still have answers', () => {
  const metrics = computeMetrics([
    trace('a'),
    trace('b', { ...wrong, status: 'unverifiable', correct: true }),
    trace('c', { ...wrong, status: 'inconsistent' }),
  ])
  expect(metrics.set_apart).toEqual({ inconsistent: 1, unverifiable: 1 })
  expect(metrics.accuracy).toEqual(wilson(2, 3))
  expect(metrics.trace_validity).toEqual(wilson(1, 1))
  expect(metrics.step_validity?.value).toBe(1)
  expect(metrics.error_codes).toEqual({})
})

test('a problem whose contradiction one trace has shown is set apart with all its traces', () => {
  const shown = trace('a', { sample_idx: 1, ...wrong, status: 'inconsistent' })
  const metrics = computeMetrics([trace('a'), shown, trace('b'), trace('b', { sample_idx: 1 })])
  expect(metrics.set_apart.inconsistent).toBe(1)
  expect(metrics.trace_validity?.n).toBe(1)
})

describe('several traces per problem', () => {
  const metrics = computeMetrics([
    trace('a', { sample_idx: 2 }),
    trace('a', { sample_idx: 0, ...wrong }),
    trace('a', { sample_idx: 1 }),
    trace('b', { sample_idx: 0, ...wrong }),
    trace('b', { sample_idx: 1, ...wrong, final_answer: null }),
    trace('b', { sample_idx: 2 }),
    trace('c', { sample_idx: 0, ...wrong }),
    trace('c', { sample_idx: 1, ...wrong }),
    trace('c', { sample_idx: 2, ...wrong }),
    trace('c', { sample_idx: 3 }),
  ])

  test('proportions are bootstrapped over problems', () => {
    expect(metrics.accuracy).toMatchObject({ value: 4 / 10, n: 3, method: 'bootstrap' })
    expect(metrics.accuracy.low).toBeLessThan(0.4)
  })

  test('self-consistency votes over the first k samples of each problem', () => {
    // a: F T T -> right; b: F - T -> tie, F was first; c: F F F -> wrong (its fourth sample is left out).
    expect(metrics.self_consistency).toEqual({
      k: 3,
      accuracy: wilson(1, 3),
      pass_at_k: wilson(2, 3),
      ties: 1,
    })
  })

  test('the same traces in another order, and the same seed, give the same report', () => {
    const traces = [trace('a'), trace('a', { sample_idx: 1, ...wrong }), trace('b', wrong)]
    expect(computeMetrics([traces[1]!, traces[0]!, traces[2]!])).toEqual(computeMetrics(traces))
  })
})

describe('missing is never zero', () => {
  const required = Object.keys(trace('a')) as (keyof EvaluatedTrace)[]

  test.each(required)('a trace without %s is refused', (key) => {
    const { [key]: _, ...rest } = trace('a')
    const incomplete = rest as EvaluatedTrace
    expect(() => computeMetrics([trace('z'), incomplete])).toThrow(`Trace 2: ${key}: `)
  })

  test('no trace at all, a sample twice, and traces that contradict each other are refused', () => {
    expect(() => computeMetrics([])).toThrow('no trace')
    expect(() => computeMetrics([trace('a'), trace('a')])).toThrow('"a": sample 0 is there twice')
    expect(() => computeMetrics([trace('a'), trace('a', { sample_idx: 1, label: 'FALSE' })])).toThrow(
      'disagree',
    )
    expect(() => computeMetrics([trace('a', { valid_step_count: 3 })])).toThrow('numbers of steps disagree')
    expect(() => computeMetrics([trace('a', { total_step_count: 3 })])).toThrow('numbers of steps disagree')
  })
})

describe('comparing', () => {
  const outcomes = (text: string): { id: string; success: boolean }[] =>
    text.split('').map((letter, index) => ({ id: String(index), success: letter === '1' }))

  test('is paired by id, whatever the order', () => {
    const a = outcomes('1111000011')
    const b = outcomes('1110111111').toReversed()
    expect(compare(a, b)).toMatchObject({
      n: 10,
      a: wilson(6, 10),
      b: wilson(9, 10),
      both: 5,
      only_a: 1,
      only_b: 4,
      neither: 0,
      p_value: 0.375,
      difference: { value: expect.closeTo(0.3, 12), n: 10 },
      unpaired_a: 0,
      unpaired_b: 0,
    })
  })

  test('the published gain of two in 1,209 is none', () => {
    // 863 and then 861 right; 9 against 7 discordant answers give the published p of 0.80.
    const a = outcomes('1'.repeat(854) + '1'.repeat(9) + '0'.repeat(7) + '0'.repeat(339))
    const b = outcomes('1'.repeat(854) + '0'.repeat(9) + '1'.repeat(7) + '0'.repeat(339))
    const { p_value, difference } = compare(a, b)
    expect(p_value).toBeCloseTo(0.803619384765625, 12)
    expect(difference.low).toBeLessThan(0)
    expect(difference.high).toBeGreaterThan(0)
  })

  test('problems of one side only are counted and left out', () => {
    const result = compare(outcomes('110'), outcomes('01').concat({ id: 'x', success: true }))
    expect(result).toMatchObject({ n: 2, unpaired_a: 1, unpaired_b: 1, both: 1, only_a: 1 })
    expect(() => compare(outcomes('1'), [{ id: 'x', success: true }])).toThrow('no problem in common')
  })

  test('several results for one problem are refused', () => {
    expect(() => compare(outcomes('1'), [...outcomes('1'), ...outcomes('0')])).toThrow(
      'The second file has several results for "0"',
    )
  })
})
