import { describe, expect, test } from 'vitest'
import { createJudge, judgeCompletion, judgeText } from '../../src/traces/judge.ts'
import { prepareProblem } from '../../src/logic/checker/prepare.ts'
import { judgedTraceSchema } from '../../src/traces/record.ts'
import { CHAIN, CHAIN_STEPS, edit, render } from './problems.ts'

const judge = createJudge()

describe('the record of a judged trace', () => {
  test('a valid proof', () => {
    const trace = judge(CHAIN, render(CHAIN_STEPS))
    expect(judgedTraceSchema.parse(trace)).toEqual(trace)
    expect(trace).toMatchObject({
      final_answer: 'FALSE',
      correct: true,
      num_steps: 4,
      all_steps_valid: true,
      valid_step_count: 4,
      total_step_count: 4,
      validity_rate: 1,
      warranted: true,
      warrant: 'proof',
      trace_valid: true,
      status: 'judged',
      trace_code: null,
    })
    expect(trace.steps[1]).toEqual({
      step_idx: 1,
      thought: 'Max is a wumpus. [5] Every wumpus is a dumpus. [2] So Max is a dumpus. [6]',
      action: '<Option type="MODUS_PONENS" args="[5, 2]" />',
      option_type: 'MODUS_PONENS',
      option_args: [5, 2],
      solver_valid: true,
      solver_error: null,
      claim: 'Max is a dumpus',
      derived: 'Max is a dumpus.',
      code: null,
    })
    expect(trace.steps[3]).toMatchObject({ claim: 'the answer is FALSE', derived: null, solver_valid: true })
  })

  test('a refused step keeps what it derives and says why', () => {
    const trace = judge(CHAIN, render(edit(0, { thought: 'So Max is red. So Max is a wumpus.' })))
    expect(trace.steps[0]).toMatchObject({
      solver_valid: false,
      code: 'claim_mismatch',
      claim: 'Max is red; Max is a wumpus',
      derived: 'Max is a wumpus.',
    })
    expect(trace.steps[0]?.solver_error).toContain('"Max is red"')
    expect(trace).toMatchObject({ valid_step_count: 0, validity_rate: 0, trace_valid: false, correct: true })
  })

  test('a redundant step is sound and not counted', () => {
    const steps = [...CHAIN_STEPS.slice(0, 1), { ...CHAIN_STEPS[0], thought: 'So Max is a wumpus.' }]
    const trace = judge(CHAIN, render(steps))
    expect(trace.steps[1]).toMatchObject({ solver_valid: true, solver_error: null, code: 'redundant' })
    expect(trace).toMatchObject({ valid_step_count: 2, validity_rate: 0.5, trace_code: 'no_conclusion' })
  })

  test('no steps', () => {
    expect(judge(CHAIN, 'FALSE')).toMatchObject({
      num_steps: 0,
      steps: [],
      all_steps_valid: false,
      validity_rate: 0,
      final_answer: null,
      correct: false,
      trace_valid: false,
      trace_code: 'no_conclusion',
    })
  })

  test('a step without action has no option', () => {
    expect(judge(CHAIN, 'Thought: So Max is a wumpus.').steps[0]).toMatchObject({
      action: '',
      option_type: null,
      option_args: [],
      code: 'malformed_action',
      claim: null,
    })
  })

  test('without a gold label nothing is correct', () => {
    expect(judgeCompletion(prepareProblem(CHAIN), null, render(CHAIN_STEPS))).toMatchObject({
      correct: false,
      trace_valid: true,
    })
  })

  test('correct and warranted are two facts', () => {
    const mislabelled = { ...CHAIN, label: 'TRUE' as const }
    expect(judge(mislabelled, render(CHAIN_STEPS))).toMatchObject({
      correct: false,
      warranted: true,
      trace_valid: true,
    })
    expect(judge(CHAIN, render(CHAIN_STEPS.slice(3)))).toMatchObject({ correct: true, warranted: false })
  })

  test('an unverifiable problem', () => {
    const trace = judge({ ...CHAIN, conclusion: 'Colourless green ideas sleep.' }, render(CHAIN_STEPS))
    expect(trace).toMatchObject({
      status: 'unverifiable',
      trace_valid: false,
      valid_step_count: 0,
      final_answer: 'FALSE',
      correct: true,
    })
    expect(trace.steps[0]).toMatchObject({ code: 'unverifiable', derived: null, claim: null })
  })
})

describe('notes change no verdict', () => {
  test.each([
    ['a wrong index behind a premise', 'Max is a yumpus. [3] So Max is a wumpus. [5]', 'quote_mismatch'],
    ['a wrong text before an index', 'Max is a zumpus. [1] So Max is a wumpus. [5]', 'quote_mismatch'],
    [
      'text that cannot be read before an index',
      'Max yumpus is. [1] So Max is a wumpus. [5]',
      'quote_mismatch',
    ],
    ['an index that does not exist', 'Max is a yumpus. [17] So Max is a wumpus. [5]', 'quote_mismatch'],
    ['a wrong index behind the claim', 'So Max is a wumpus. [6]', 'quote_mismatch'],
    ['a missing article', 'So Max is wumpus. [5]', 'article_repaired'],
  ])('%s', (_name, thought, code) => {
    const trace = judge(CHAIN, render(edit(0, { thought })))
    expect(trace.trace_valid).toBe(true)
    expect(trace.steps[0]?.notes?.map((note) => note.code)).toEqual([code])
  })

  test('right quotes are no news', () => {
    const trace = judge(CHAIN, render(CHAIN_STEPS))
    expect(trace.steps.every(({ notes }) => notes === undefined)).toBe(true)
  })

  test('the own index of a refused step is not a wrong quote', () => {
    const trace = judge(CHAIN, render(edit(0, { args: [0, 1] })))
    expect(trace.steps[0]).toMatchObject({ code: 'rule_mismatch' })
    expect(trace.steps[0]?.notes).toBeUndefined()
  })
})

describe('claims', () => {
  const silent = render(CHAIN_STEPS.map((step) => ({ ...step, thought: 'Hm.' })))
  const lying = render(edit(1, { thought: 'So Max is small.' }))

  test('required (the default)', () => {
    expect(judge(CHAIN, silent).steps[0]?.code).toBe('claim_missing')
    expect(judge(CHAIN, lying).steps[1]?.code).toBe('claim_mismatch')
  })

  test('if-present', () => {
    const lenient = createJudge({ claims: 'if-present' })
    expect(lenient(CHAIN, silent).trace_valid).toBe(true)
    expect(lenient(CHAIN, lying).steps[1]?.code).toBe('claim_mismatch')
  })

  test('ignored', () => {
    const deaf = createJudge({ claims: 'ignored' })
    expect(deaf(CHAIN, silent).trace_valid).toBe(true)
    expect(deaf(CHAIN, lying)).toMatchObject({ trace_valid: true })
    expect(deaf(CHAIN, render(edit(3, { thought: 'So the answer is TRUE.' }))).trace_valid).toBe(true)
  })

  test('ASSUME states its own claim, and a claim beside it must agree', () => {
    const assume = (thought: string) =>
      judge(CHAIN, render([{ thought, name: 'ASSUME', args: ['Max is red.'] }])).steps[0]?.code
    expect(assume('')).toBeNull()
    expect(assume('Assume Max is red. [5]')).toBeNull()
    expect(assume('Suppose Max is small.')).toBe('claim_mismatch')
  })

  test.each([
    ['So the answer is FALSE.', null],
    ['So Max is not red.', null],
    ['Nothing to add.', null],
    ['So the answer is TRUE.', 'claim_mismatch'],
    ['So Max is red.', 'claim_mismatch'],
    ['So Max is small.', 'claim_mismatch'],
    ['So it is so.', 'claim_unparsable'],
  ])('CONCLUDE [1]: %s', (thought, code) => {
    expect(judge(CHAIN, render(edit(3, { thought }))).steps[3]?.code).toBe(code)
  })

  test('CONCLUDE [0] is claimed by the query, [2] by no sentence', () => {
    const positive = { ...CHAIN, conclusion: 'Max is not red.', label: 'TRUE' as const }
    const conclude = (args: number[], thought: string) =>
      judge(positive, render([...CHAIN_STEPS.slice(0, 3), { thought, name: 'CONCLUDE', args }])).steps[3]
        ?.code
    expect(conclude([0], 'So Max is not red.')).toBeNull()
    expect(conclude([0], 'So Max is red.')).toBe('claim_mismatch')
    expect(conclude([2], 'So Max is not red.')).toBe('claim_mismatch')
  })
})

test('one judge takes problems in any order, and each problem judges only its own traces', () => {
  const other = {
    premises: ['Every yumpus is a zumpus.', 'Max is a yumpus.'],
    conclusion: 'Max is a zumpus.',
    label: 'TRUE' as const,
  }
  const otherProof = render([
    { thought: 'So Max is a zumpus.', name: 'MODUS_PONENS', args: [1, 0] },
    { thought: '', name: 'CONCLUDE', args: [0] },
  ])
  const shared = createJudge()
  for (const [problem, text, valid] of [
    [CHAIN, render(CHAIN_STEPS), true],
    [other, otherProof, true],
    [CHAIN, otherProof, false],
    [other, render(CHAIN_STEPS), false],
    [CHAIN, render(CHAIN_STEPS), true],
  ] as const) {
    expect(shared(problem, text)).toEqual(createJudge()(problem, text))
    expect(shared(problem, text).trace_valid).toBe(valid)
  }
})

test('more problems than a judge remembers', () => {
  const judgeAll = createJudge()
  const problems = Array.from({ length: 300 }, () => ({ ...CHAIN }))
  expect(problems.every((problem) => judgeAll(problem, render(CHAIN_STEPS)).trace_valid)).toBe(true)
})

test('an alias is judged as the option it stands for', () => {
  const text = render(CHAIN_STEPS).replaceAll('MODUS_PONENS', 'RULE')
  expect(judge(CHAIN, text).steps[0]?.code).toBe('unknown_option')
  const trace = createJudge({ aliases: new Map([['RULE', 'MODUS_PONENS']]) })(CHAIN, text)
  expect(trace).toMatchObject({ trace_valid: true, steps: [{ option_type: 'RULE' }, {}, {}, {}] })
})

test('a judgement has no step beyond CONCLUDE', () => {
  const { steps, judgement } = judgeText(prepareProblem(CHAIN), render([...CHAIN_STEPS, ...CHAIN_STEPS]))
  expect([steps.length, judgement.steps.length]).toEqual([4, 4])
})
