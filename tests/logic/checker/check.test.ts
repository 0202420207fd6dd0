import { describe, expect, test } from 'vitest'
import { check, MAX_STEPS, type CheckOptions } from '../../../src/logic/checker/check.ts'
import { excerpt, JUDGE_CODES } from '../../../src/logic/checker/codes.ts'
import { prepareProblem, type PreparedProblem, type ProblemText } from '../../../src/logic/checker/prepare.ts'
import type { Claim, ProofStep } from '../../../src/logic/checker/step.ts'
import { renderFol } from '../../../src/logic/language/render-fol.ts'
import { members } from '../../../src/logic/index-set.ts'
import { expectProof, folProblem, proofStep } from './script.ts'

const CHAIN = ['P(a)', '∀x (P(x) → Q(x))', '∀x (Q(x) → S(x))']
const CHAIN_PROOF = ['MODUS_PONENS 0, 1 => Q(a)', 'MODUS_PONENS 3, 2 => S(a)']

describe('indices', () => {
  test('an invalid step owns its index, and referring to it is invalid', () => {
    const { steps } = expectProof(CHAIN, [
      'MODUS_PONENS 1, 0 => !rule_mismatch',
      'MODUS_PONENS 0, 1 => Q(a)',
      'MODUS_PONENS 3, 2 => !invalid_reference',
      'MODUS_PONENS 4, 2 => S(a)',
    ])
    expect(steps.map(({ index }) => index)).toEqual([3, 4, 5, 6])
  })

  test.each(['3, 1', '4, 1', '-1, 1', '999999999, 1'])('[%s] is out of range for the first step', (args) => {
    expectProof(CHAIN, [`MODUS_PONENS ${args} => !index_out_of_range`])
  })

  test('a redundant step can be referred to', () => {
    expectProof(CHAIN, [
      'MODUS_PONENS 0, 1 => Q(a)',
      'MODUS_PONENS 0, 1 => =Q(a)',
      'MODUS_PONENS 4, 2 => S(a)',
    ])
  })
})

describe('options and their arguments', () => {
  test.each([
    ['RULE 0, 1', 'unknown_option'],
    ['modus_ponens 0, 1', 'unknown_option'],
    ['__proto__ 0, 1', 'unknown_option'],
    ['MODUS_PONENS 0', 'arity'],
    ['MODUS_PONENS 0, 1, 2', 'arity'],
    ['MODUS_PONENS', 'arity'],
    ["MODUS_PONENS 0, '1'", 'argument_type'],
    ["SUBST 1, 'a', 'P', 'Q'", 'arity'],
  ])('%s is %s', (step, code) => {
    expectProof(CHAIN, [`${step} => !${code}`])
  })

  test('an alias stands for one of our options, CONCLUDE included', () => {
    const aliases = new Map([
      ['RULE', 'MODUS_PONENS'],
      ['ANSWER', 'CONCLUDE'],
    ])
    const { valid } = expectProof(CHAIN, ['RULE 0, 1 => Q(a)', 'ANSWER 0 => valid', 'RULE 0, 1'], {
      aliases,
      query: 'Q(a)',
    })
    expect(valid).toBe(true)
  })

  test('a refusal says what is wrong in one sentence', () => {
    const { steps } = expectProof(CHAIN, [
      'MODUS_PONENS 2, 1',
      'CASE_SPLIT 0',
      "AND_ELIM 0, 'up'",
      "ASSUME 'P('",
    ])
    for (const { message } of steps) expect(message).toMatch(/^[A-Z].*\.$/)
    expect(steps.map(({ message }) => message)).toMatchInlineSnapshot(`
      [
        "Line [1] is no rule whose condition is line [2].",
        "CASE_SPLIT takes 5 arguments, not 1.",
        "The second argument of AND_ELIM must be a side: 0 or 'left', 1 or 'right'.",
        "The first argument of ASSUME cannot be read at character 2: Expected a constant or a variable.",
      ]
    `)
  })
})

describe('dependency sets', () => {
  test.each([
    ['MODUS_TOLLENS 0, 1', ['¬Q(a)', 'P(a) -> Q(a)']],
    ['HYPOTHETICAL_SYLLOGISM 0, 1', ['P(a) -> Q(a)', 'Q(a) -> S(a)']],
    ['HYPOTHETICAL_SYLLOGISM 0, 1', ['∀x (P(x) → Q(x))', '∀x (Q(x) → S(x))']],
    ['DISJUNCTIVE_SYLLOGISM 0, 1', ['P(a) ∨ Q(a)', '¬P(a)']],
    ['DISJUNCTIVE_SYLLOGISM 0, 1', ['P(a) ⊕ Q(a)', 'P(a)']],
    ['BICONDITIONAL_INTRO 0, 1', ['P(a) -> Q(a)', 'Q(a) -> P(a)']],
    ['CONTRADICTION 0, 1', ['P(a)', '¬P(a)']],
  ])('%s rests on both lines', (step, premises) => {
    const { steps } = expectProof(premises, [step])
    expect(members(steps[0]?.restsOn ?? [])).toEqual([0, 1])
  })

  test.each([
    [
      [5, 6, 4, 8],
      [0, 1, 3, 7],
    ],
    [
      [4, 8, 5, 6],
      [0, 1, 3, 7],
    ],
  ])('both cases of a case split count, in either order: %j', (cases, expected) => {
    const { steps } = expectProof(
      ['P(a) ∨ Q(a)', 'P(a) -> S(a)', 'S(b)', 'Q(a) -> S(a)'],
      [
        "ASSUME 'Q(a)'",
        "ASSUME 'P(a)'",
        'MODUS_PONENS 5, 1 => S(a)',
        "ASSUME 'Q(a) -> S(a)' => =Q(a) → S(a)",
        'MODUS_PONENS 4, 7 => S(a)',
        `CASE_SPLIT 0, ${cases.join(', ')} => S(a)`,
      ],
    )
    expect(members(steps[5]?.restsOn ?? [])).toEqual(expected.filter((line) => line !== 3))
  })

  test('a line rests on the premises and assumptions that it was derived from', () => {
    const { steps } = expectProof(
      [...CHAIN, 'T(a)'],
      [
        'MODUS_PONENS 0, 1 => Q(a)',
        "ASSUME 'Q(b)' => Q(b)",
        'MODUS_PONENS 5, 2 => S(b)',
        'AND_INTRO 4, 6 => Q(a) ∧ S(b)',
        'CONDITIONAL_PROOF 5, 7 => Q(b) → Q(a) ∧ S(b)',
      ],
    )
    expect(steps.map(({ restsOn }) => members(restsOn))).toEqual([
      [0, 1],
      [5],
      [2, 5],
      [0, 1, 2, 5],
      [0, 1, 2],
    ])
  })

  test('discharging one assumption leaves the others', () => {
    const { steps } = expectProof(
      [],
      [
        "ASSUME 'P(a)'",
        "ASSUME 'Q(a)'",
        'AND_INTRO 0, 1',
        'CONDITIONAL_PROOF 0, 2 => P(a) → P(a) ∧ Q(a)',
        'CONDITIONAL_PROOF 1, 2 => Q(a) → P(a) ∧ Q(a)',
        'CONDITIONAL_PROOF 1, 3 => Q(a) → (P(a) → P(a) ∧ Q(a))',
      ],
    )
    expect(steps.map(({ restsOn }) => members(restsOn))).toEqual([[0], [1], [0, 1], [1], [0], []])
  })

  test('a case split rests on the disjunction and on what its cases still rest on', () => {
    const { steps } = expectProof(
      ['P(a) ∨ Q(a)', 'S(a)'],
      [
        "ASSUME 'P(a)'",
        "ASSUME 'Q(a)'",
        "ASSUME 'T(a)'",
        'AND_INTRO 1, 4 => S(a) ∧ T(a)',
        'AND_INTRO 2, 5 => P(a) ∧ (S(a) ∧ T(a))',
        'AND_ELIM 6, 1 => =S(a) ∧ T(a)',
        'CASE_SPLIT 0, 2, 7, 3, 5 => =S(a) ∧ T(a)',
      ],
    )
    expect(members(steps.at(-1)?.restsOn ?? [])).toEqual([0, 1, 4])
  })

  test('reductio rests on what both sides of the contradiction rest on', () => {
    const { steps } = expectProof(
      ['P(a) -> Q(a)', 'S(a) -> ¬Q(a)', 'T(a)'],
      [
        "ASSUME 'P(a)'",
        "ASSUME 'S(a)'",
        'MODUS_PONENS 3, 0',
        'MODUS_PONENS 4, 1',
        'CONTRADICTION 5, 6 => ⊥',
        'CONTRADICTION 5, 6, 3 => ¬P(a)',
      ],
    )
    expect(steps.slice(-2).map(({ restsOn }) => members(restsOn))).toEqual([
      [0, 1, 3, 4],
      [0, 1, 4],
    ])
  })

  test('sets of more than one word', () => {
    const premises = Array.from({ length: 70 }, (_, i) => `P(c${i})`)
    const { steps } = expectProof(premises, [
      'AND_INTRO 2, 69',
      'AND_INTRO 31, 70',
      "ASSUME 'Q(b)'",
      'AND_INTRO 71, 72',
      'CONDITIONAL_PROOF 72, 73',
    ])
    expect(steps.map(({ restsOn }) => members(restsOn))).toEqual([
      [2, 69],
      [2, 31, 69],
      [72],
      [2, 31, 69, 72],
      [2, 31, 69],
    ])
  })
})

describe('CONCLUDE', () => {
  test('TRUE is warranted by a valid line with the query', () => {
    const judgement = expectProof(CHAIN, [...CHAIN_PROOF, 'CONCLUDE 0 => valid'], { query: 'S(a)' })
    expect(judgement).toMatchObject({ valid: true, warrant: 'proof', label: 'TRUE', validityRate: 1 })
  })

  test('TRUE is warranted by a premise', () => {
    expect(expectProof(CHAIN, ['CONCLUDE 0 => valid'], { query: 'P(a)' })).toMatchObject({ valid: true })
  })

  test('the query may differ in the order of "and" and in the names of variables', () => {
    const premises = ['P(a)', '∀x Q(x)']
    expectProof(premises, ['AND_INTRO 0, 1', 'CONCLUDE 0 => valid'], { query: '∀z Q(z) ∧ P(a)' })
  })

  test.each([
    ['¬S(a)', 'S(a)'],
    ['S(a)', '¬S(a)'],
    ['¬¬S(a)', '¬S(a)'],
  ])('FALSE is warranted by %s for the query %s', (premise, query) => {
    expectProof([premise], ['CONCLUDE 1 => valid'], { query })
    expectProof([premise], ['CONCLUDE 0 => !not_warranted'], { query })
  })

  test.each(['proved', 'refuted', 'undecided', undefined] as const)(
    'UNKNOWN is not warranted where the stored entailment is %s',
    (entailment) => {
      expectProof(CHAIN, ['CONCLUDE 2 => !not_warranted'], { query: 'T(a)', entailment })
    },
  )

  test('UNKNOWN is certified by the stored entailment, not by proof', () => {
    const judgement = expectProof(CHAIN, ['CONCLUDE 2 => valid'], { query: 'T(a)', entailment: 'unknown' })
    expect(judgement).toMatchObject({ valid: true, warrant: 'solver', label: 'UNKNOWN' })
  })

  test.each(['CONCLUDE 0', 'CONCLUDE 1'])(
    'a bare %s proves nothing, whatever the stored entailment says',
    (step) => {
      for (const entailment of ['proved', 'refuted', 'unknown'] as const) {
        const judgement = expectProof(CHAIN, [`${step} => !not_warranted`], { query: 'S(a)', entailment })
        expect(judgement).toMatchObject({ valid: false, warrant: null, validityRate: 0 })
        expect(judgement.label).not.toBeNull()
      }
    },
  )

  test('a conclusion that rests on an assumption is not warranted', () => {
    const judgement = expectProof(
      CHAIN,
      ["ASSUME 'T(a)' => T(a)", 'CONCLUDE 0 => !undischarged_assumption'],
      { query: 'T(a)' },
    )
    expect(judgement.steps[1]?.message).toContain('[3]')
  })

  test('one line on premises only is enough', () => {
    expectProof(CHAIN, ["ASSUME 'Q(a)'", 'MODUS_PONENS 0, 1', 'CONCLUDE 0 => valid'], { query: 'Q(a)' })
  })

  test.each([
    ['CONCLUDE 3', 'argument_type'],
    ['CONCLUDE -1', 'argument_type'],
    ["CONCLUDE 'TRUE'", 'argument_type'],
    ['CONCLUDE', 'arity'],
    ['CONCLUDE 0, 0', 'arity'],
  ])('%s is %s and ends the trace without an answer', (step, code) => {
    const judgement = expectProof(CHAIN, [`${step} => !${code}`, 'CONCLUDE 0'], { query: 'P(a)' })
    expect(judgement).toMatchObject({ label: null, valid: false, traceCode: null })
    expect(judgement.steps).toHaveLength(1)
  })

  test('nothing after it exists', () => {
    const judgement = expectProof(CHAIN, ['CONCLUDE 0 => valid', 'NONSENSE', 'CONCLUDE 1'], { query: 'P(a)' })
    expect(judgement).toMatchObject({ valid: true, label: 'TRUE' })
    expect(judgement.steps).toHaveLength(1)
  })

  test('a trace without it is not valid, and says so', () => {
    expect(expectProof(CHAIN, CHAIN_PROOF)).toMatchObject({
      valid: false,
      label: null,
      traceCode: 'no_conclusion',
      validSteps: 2,
    })
    expect(expectProof(CHAIN, [])).toMatchObject({
      valid: false,
      traceCode: 'no_conclusion',
      validityRate: 0,
    })
  })

  test('one invalid step makes the trace invalid, even where the conclusion is warranted', () => {
    const judgement = expectProof(CHAIN, ['MODUS_PONENS 1, 0', 'MODUS_PONENS 0, 1', 'CONCLUDE 0 => valid'], {
      query: 'Q(a)',
    })
    expect(judgement).toMatchObject({ valid: false, warrant: 'proof', validSteps: 2, validityRate: 2 / 3 })
  })
})

describe('validity rate', () => {
  test('redundant steps are sound and not counted', () => {
    const judgement = expectProof(
      CHAIN,
      ['MODUS_PONENS 0, 1 => Q(a)', 'MODUS_PONENS 0, 1 => =Q(a)', 'CONCLUDE 0 => valid'],
      { query: 'Q(a)' },
    )
    expect(judgement).toMatchObject({ valid: true, validSteps: 3, validityRate: 2 / 3 })
  })

  test('deriving a premise is redundant', () => {
    expectProof(['P(a)', 'P(a) ∧ Q(a)'], ['AND_ELIM 1, 0 => =P(a)'])
  })

  test('what rests on an assumption counts once the assumption is discharged', () => {
    const open = expectProof(['P(a) -> Q(a)'], ["ASSUME 'P(a)' => P(a)", 'MODUS_PONENS 1, 0 => Q(a)'])
    expect(open).toMatchObject({ validSteps: 2, validityRate: 0 })
    const closed = expectProof(
      ['P(a) -> Q(a)', 'Q(a) -> S(a)'],
      [
        "ASSUME 'P(a)' => P(a)",
        'MODUS_PONENS 2, 0 => Q(a)',
        'MODUS_PONENS 3, 1 => S(a)',
        'CONDITIONAL_PROOF 2, 4 => P(a) → S(a)',
        'CONCLUDE 0 => valid',
      ],
      { query: 'P(a) -> S(a)' },
    )
    expect(closed).toMatchObject({ valid: true, validityRate: 1 })
  })

  test('the same formula on fewer assumptions is new, on more it is not', () => {
    expectProof(
      ['P(a) ∧ Q(a)', 'P(a) -> S(a)', 'T(a)'],
      [
        "ASSUME 'P(a)' => P(a)",
        'MODUS_PONENS 3, 1 => S(a)',
        'AND_ELIM 0, 0 => P(a)',
        'MODUS_PONENS 5, 1 => S(a)',
        'MODUS_PONENS 3, 1 => =S(a)',
      ],
    )
  })

  test('an assumption that only an invalid step would discharge does not count', () => {
    const judgement = expectProof(
      ['P(a)'],
      ["ASSUME 'Q(a)' => Q(a)", 'CONDITIONAL_PROOF 1, 9 => !index_out_of_range'],
    )
    expect(judgement.validityRate).toBe(0)
  })
})

describe('problems that are set apart', () => {
  test.each(['CONCLUDE 0', 'CONCLUDE 1', 'CONCLUDE 2'])(
    'premises known to be inconsistent warrant no %s',
    (step) => {
      const judgement = expectProof(['P(a)', '¬P(a)'], [`${step} => !inconsistent`], {
        query: 'P(a)',
        entailment: 'inconsistent',
      })
      expect(judgement).toMatchObject({ status: 'inconsistent', valid: false })
    },
  )

  test.each([
    ['two premises', ['P(a)', '¬P(a)', 'Q(a)'], []],
    ['a denial that comes first', ['¬P(a)', 'P(a)', 'Q(a)'], []],
    ['a premise and a derived line', ['P(a)', 'P(a) -> ¬Q(a)', 'Q(a)'], ['MODUS_PONENS 0, 1']],
    ['falsum', ['⊥', 'Q(a)'], []],
  ])('a contradiction among lines on premises only is noticed: %s', (_name, premises, steps) => {
    expect(expectProof(premises, [...steps, 'CONCLUDE 0 => !inconsistent'], { query: 'Q(a)' })).toMatchObject(
      { status: 'inconsistent', valid: false },
    )
  })

  test('a contradiction among assumptions is none of the premises', () => {
    const judgement = expectProof(
      ['Q(a)'],
      ["ASSUME 'P(a)'", "ASSUME '¬P(a)'", 'CONTRADICTION 1, 2', 'CONCLUDE 0 => valid'],
      { query: 'Q(a)' },
    )
    expect(judgement.status).toBe('judged')
  })

  test('nothing about an unverifiable problem is valid, but its answer is read', () => {
    const problem = prepareProblem({
      premises: ['Colourless green ideas sleep furiously.'],
      conclusion: 'Max is red.',
    })
    const steps = ['MODUS_PONENS 0, 0', 'CONCLUDE 0', 'CONCLUDE 1'].map(proofStep)
    const judgement = check(problem, steps)
    expect(judgement).toMatchObject({
      status: 'unverifiable',
      label: 'TRUE',
      valid: false,
      validSteps: 0,
      validityRate: 0,
      warrant: null,
      traceCode: null,
    })
    expect(judgement.steps.map(({ code, index }) => [code, index])).toEqual([
      ['unverifiable', 0],
      ['unverifiable', null],
    ])
    expect(check(problem, []).traceCode).toBe('no_conclusion')
    expect(check(problem, [proofStep("CONCLUDE 'x'")]).label).toBeNull()
  })
})

describe('limits', () => {
  test('a formula that doubles at every step is stopped at 4,096 nodes', () => {
    const steps = Array.from({ length: 20 }, (_, i) => `AND_INTRO ${i}, ${i}`)
    const { steps: judged } = expectProof(['P(a)'], steps)
    // Step k gives 2^(k+2) - 1 nodes.
    expect(judged.map(({ code }) => code).findIndex((code) => code !== null)).toBe(11)
    expect(judged.slice(11).map(({ code }) => code)).toEqual([
      'too_large',
      ...Array.from({ length: 8 }, () => 'invalid_reference'),
    ])
  })

  test('nesting is stopped at 512', () => {
    const steps = Array.from({ length: 520 }, (_, i) => `AND_INTRO ${i}, 0`)
    const codes = expectProof(['P(a)'], steps).steps.map(({ code }) => code)
    expect(codes.indexOf('too_large')).toBe(511)
  })

  test('a query whose negation would be too large', () => {
    let query = 'P(a)'
    for (let i = 0; i < 511; i++) query = `¬${query}`
    const problem = folProblem(['P(a)'], 'Q(a)')
    let formula = problem.query
    for (let i = 0; i < 511; i++) formula = problem.store.not(formula)
    const judgement = check({ ...problem, query: problem.store.not(problem.query) }, [
      proofStep('CONCLUDE 1'),
    ])
    expect(judgement.steps[0]?.code).toBe('not_warranted')
    let deep = problem.premises[0] ?? problem.query
    for (let i = 0; i < 511; i++) deep = problem.store.binary('and', deep, problem.query)
    expect(check({ ...problem, query: deep }, [proofStep('CONCLUDE 1')]).steps[0]?.code).toBe('too_large')
  })

  test(`${MAX_STEPS} steps are judged, the next is too large, also when it is the conclusion`, () => {
    const filler = Array.from({ length: MAX_STEPS - 1 }, () => 'MODUS_PONENS 0, 1')
    expect(expectProof(CHAIN, [...filler, 'CONCLUDE 0 => valid'], { query: 'Q(a)' })).toMatchObject({
      valid: true,
    })
    const long = expectProof(CHAIN, [...filler, 'MODUS_PONENS 3, 2', 'CONCLUDE 0 => !too_large'], {
      query: 'Q(a)',
    })
    expect(long).toMatchObject({ valid: false, label: 'TRUE' })
    expect(long.steps.at(-2)?.code).toBeNull()
    const longer = expectProof(CHAIN, [...filler, 'MODUS_PONENS 3, 2', 'MODUS_PONENS 3, 2 => !too_large'])
    expect(longer.steps).toHaveLength(MAX_STEPS + 1)
  })

  test('64 assumptions may be open at once', () => {
    const assume = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => `ASSUME 'P(c${from + i})'`)
    const codes = expectProof([], [...assume(0, 65), 'CONDITIONAL_PROOF 0, 0', ...assume(70, 2)]).steps.map(
      ({ code }) => code,
    )
    expect(codes.flatMap((code, i) => (code === null ? [] : [[i, code]]))).toEqual([
      [64, 'too_large'],
      [67, 'too_large'],
    ])
  })

  test('a line may rest on 64 assumptions', () => {
    const steps: string[] = []
    // Assumptions are discharged as they come, so that more of them can be made; the lines keep resting on them.
    for (let i = 0; i < 66; i++) steps.push(`ASSUME 'P(c${i})'`, `CONDITIONAL_PROOF ${2 * i}, ${2 * i}`)
    const first = steps.length
    steps.push('AND_INTRO 0, 2')
    for (let i = 2; i < 66; i++) steps.push(`AND_INTRO ${first + i - 2}, ${2 * i}`)
    const judged = expectProof([], steps).steps.slice(first)
    expect(judged.map(({ code }) => code).indexOf('too_large')).toBe(63)
    expect(members(judged[62]?.restsOn ?? [])).toHaveLength(64)
  })

  test('a search for an instance gives up after 4,096 comparisons', () => {
    // Each disjunction fits in two orders, and only the last part shows that none of the 2^10 ways is right.
    const variables = Array.from({ length: 10 }, (_, i) => [`x${i}`, `y${i}`] as const)
    const quantifiers = variables.map(([x, y]) => `∀${x} ∀${y}`).join(' ')
    const condition = [...variables.map(([x, y]) => `(P(${x}) ∨ P(${y}))`), 'S(x0)'].join(' ∧ ')
    const fact = [...variables.map(() => '(P(a) ∨ P(b))'), 'S(c)'].join(' ∧ ')
    const rule = `${quantifiers} (${condition} → Q(x0))`
    expectProof([fact, rule], ['MODUS_PONENS 0, 1 => !too_large'])
    expectProof([fact.replace('S(c)', 'S(b)'), rule], ['MODUS_PONENS 0, 1 => Q(b)'])
  })
})

describe('purity', () => {
  test('judging again, and judging something else in between, changes nothing', () => {
    const problem = folProblem(CHAIN, 'S(a)')
    const good = ['MODUS_PONENS 0, 1', 'MODUS_PONENS 3, 2', 'CONCLUDE 0'].map(proofStep)
    const other = ["ASSUME 'S(a)'", "UNIV_INSTANTIATION 1, 'b'", 'CONCLUDE 1'].map(proofStep)
    const first = check(problem, good, { claims: 'ignored' })
    check(problem, other, { claims: 'ignored' })
    expect(check(problem, good, { claims: 'ignored' })).toEqual(first)
  })

  test('steps are not changed', () => {
    const steps: readonly ProofStep[] = Object.freeze(
      ['MODUS_PONENS 0, 1', 'CONCLUDE 0'].map((step) => Object.freeze(proofStep(step))),
    )
    expect(() => check(folProblem(CHAIN), steps)).not.toThrow()
  })
})

describe('what a refusal says', () => {
  const message = (premises: readonly string[], ...script: string[]) =>
    expectProof(premises, script).steps.at(-1)?.message

  test('a variable that the match leaves open', () => {
    expect(message(['P(a)', '∀x ∀y (P(x) → R(x, y))'], 'MODUS_PONENS 0, 1')).toContain('does not determine')
    expect(message(['S(a)', '∀x ∀y (P(x) → R(x, y))'], 'MODUS_PONENS 0, 1')).toContain('is no rule')
  })

  test('a witness is told from an individual that depends on one', () => {
    expect(message(['∃x P(x)'], "EXIST_INSTANTIATION 0, 'd'", "UNIV_GENERALIZATION 1, 'd'")).toContain(
      'is a witness',
    )
  })

  test('the sentence of an unverifiable problem', () => {
    const first = (text: Partial<ProblemText>) =>
      check(prepareProblem({ premises: ['Max is red.'], conclusion: 'Max is red.', ...text }), [
        proofStep('CONCLUDE 0'),
      ]).steps[0]?.message
    expect(first({ premises: ['Max is red.', 'Hm hm.'] })).toMatch(/^Premise \[1\] cannot be read/)
    expect(first({ conclusion: 'Hm hm.' })).toMatch(/^The conclusion cannot be read/)
  })

  test('text of a trace is quoted up to 80 characters', () => {
    expect(excerpt('x'.repeat(80))).toBe(`"${'x'.repeat(80)}"`)
    expect(excerpt('x'.repeat(81))).toBe(`"${'x'.repeat(79)}…"`)
  })
})

describe('claims that come with a step', () => {
  const problem = folProblem(CHAIN)
  const wrong: Claim = { kind: 'formula', text: 'T(a)', formula: problem.query, repairs: 0 }
  const judged = (step: string, claims: readonly Claim[], mode: CheckOptions['claims']) =>
    check(problem, [{ ...proofStep(step), claims }], { claims: mode }).steps[0]?.code

  test.each(['MODUS_PONENS 0, 1', 'CONCLUDE 0'])('%s', (step) => {
    const valid = step === 'CONCLUDE 0' ? 'not_warranted' : null
    expect(judged(step, [{ kind: 'label', text: 'FALSE', label: 'FALSE' }], 'if-present')).toBe(
      'claim_mismatch',
    )
    expect(judged(step, [{ kind: 'label', text: 'FALSE', label: 'FALSE' }], 'ignored')).toBe(valid)
    expect(judged(step, [{ kind: 'unreadable', text: 'it', reason: 'pronoun' }], 'if-present')).toBe(
      'claim_unparsable',
    )
    expect(judged(step, [], 'if-present')).toBe(valid)
  })

  test('a formula that is not derived', () => {
    expect(judged('MODUS_PONENS 0, 1', [wrong], 'if-present')).toBe('claim_mismatch')
    expect(judged('MODUS_PONENS 0, 1', [wrong], 'ignored')).toBeNull()
  })
})

test('OR_INTRO puts the line on the side that is named', () => {
  const { steps } = expectProof(['P(a)'], ["OR_INTRO 0, 0, 'Q(a)'", "OR_INTRO 0, 1, 'S(a)'"])
  expect(steps.map(({ derived }) => derived && renderFol(derived))).toEqual(['P(a) ∨ Q(a)', 'S(a) ∨ P(a)'])
})

test('an error that is no limit is not swallowed', () => {
  const problem = folProblem(CHAIN)
  const broken: PreparedProblem = {
    ...problem,
    parser: {
      language: 'fol',
      parse: () => {
        throw new TypeError('a bug')
      },
    },
  }
  expect(() => check(broken, [proofStep("ASSUME 'P(a)'")])).toThrow('a bug')
})

test('every code has a sentence', () => {
  for (const { meaning } of Object.values(JUDGE_CODES)) expect(meaning).toMatch(/^[A-Z].*\.$/)
})
