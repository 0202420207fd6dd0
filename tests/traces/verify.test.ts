import { describe, expect, test } from 'vitest'
import { explainTrace } from '../../src/traces/explain.ts'
import { foreignTraceSchema, type ForeignTrace } from '../../src/traces/record.ts'
import { verifyProof, verifyTraces } from '../../src/traces/verify.ts'
import { renderOption } from '../../src/prompts/proof.ts'
import { CHAIN, CHAIN_STEPS, edit, render, type WrittenStep } from './problems.ts'

/** A record as another system might write it. */
function record(steps: readonly WrittenStep[], extra: Record<string, unknown> = {}): ForeignTrace {
  return foreignTraceSchema.parse({
    premises: CHAIN.premises,
    conclusion: CHAIN.conclusion,
    steps: steps.map(({ thought, name, args }) => ({ thought, action: renderOption(name, args) })),
    ...extra,
  })
}

test('verifyProof judges a text, alone', () => {
  expect(verifyProof(CHAIN, render(CHAIN_STEPS))).toMatchObject({ trace_valid: true, correct: true })
  expect(
    verifyProof(
      { premises: ['Max is a cat.'], conclusion: 'Max is a cat.' },
      'Action: <Option type="CONCLUDE" args="[0]" />',
    ),
  ).toMatchObject({ trace_valid: true, correct: false })
})

describe('records of any origin', () => {
  test('premises, conclusion, thoughts and actions are enough', () => {
    const { judged, summary } = verifyTraces([record(CHAIN_STEPS), record(edit(1, { args: [2, 5] }))])
    expect(judged.map(({ trace_valid }) => trace_valid)).toEqual([true, false])
    expect(summary).toEqual({
      traces: 2,
      valid_traces: 1,
      valid_by_proof: 1,
      unverifiable: 0,
      inconsistent: 0,
      steps: 8,
      valid_steps: 5,
      codes: { quote_mismatch: 2, rule_mismatch: 1, invalid_reference: 1, not_warranted: 1 },
      options: { MODUS_PONENS: { steps: 6, valid: 4 }, CONCLUDE: { steps: 2, valid: 1 } },
      disagreements: 0,
    })
  })

  test('verdicts that a record carries are compared, never believed', () => {
    const steps = [
      {
        thought: 'So Max is red.',
        action: renderOption('MODUS_PONENS', [1, 0]),
        solver_valid: true,
        note: 'kept',
      },
      { thought: '', action: renderOption('CONCLUDE', [2]), solver_valid: true },
    ]
    const carried = record([], {
      steps,
      trace_valid: true,
      entailment: 'unknown',
      label: 'Uncertain',
      extra: 1,
    })
    const { judged, summary } = verifyTraces([carried])
    expect(summary).toMatchObject({ disagreements: 2, valid_traces: 0 })
    expect(judged[0]).toMatchObject({ trace_valid: false, extra: 1, correct: true })
    expect(judged[0]?.steps[0]).toMatchObject({ solver_valid: false, note: 'kept' })
  })

  test('steps behind CONCLUDE do not exist', () => {
    const { judged, summary } = verifyTraces([record([...CHAIN_STEPS, ...CHAIN_STEPS])])
    expect(judged[0]?.steps).toHaveLength(4)
    expect(summary.steps).toBe(4)
  })

  test('missing thoughts and actions are empty, an Action: marker is accepted', () => {
    const action = `Action: ${renderOption('MODUS_PONENS', [1, 0])}`
    const { judged } = verifyTraces(
      [record([], { steps: [{ thought: null, action }, { thought: 'So.' }] })],
      { claims: 'if-present' },
    )
    expect(judged[0]?.steps.map(({ code }) => code)).toEqual([null, 'malformed_action'])
  })

  test('a listed problem is judged, not the copy in the record', () => {
    const problems = new Map([
      [
        'p1',
        { ...CHAIN, conclusion: 'Max is small.', label: 'TRUE' as const, entailment: 'unknown' as const },
      ],
    ])
    const unknown: WrittenStep[] = [{ thought: '', name: 'CONCLUDE', args: [2] }]
    const { judged } = verifyTraces(
      [record(unknown, { problem_id: 'p1' }), record(unknown, { problem_id: 'p2' })],
      { problems },
    )
    expect(judged.map(({ warrant }) => warrant)).toEqual(['solver', null])
  })

  test('entailment is asked for where no problem has it stored', () => {
    const unknown = record([{ thought: '', name: 'CONCLUDE', args: [2] }], { label: 'unknown' })
    const { judged, summary } = verifyTraces([unknown, unknown], { entailmentOf: () => 'unknown' })
    expect(judged[1]).toMatchObject({ warrant: 'solver', correct: true })
    expect(summary).toMatchObject({ valid_traces: 2, valid_by_proof: 0 })
  })

  test('problems that are set apart are counted', () => {
    const { summary } = verifyTraces([
      record(CHAIN_STEPS, { premises: ['Gibberish gibberish.'] }),
      record([CHAIN_STEPS[3]], { premises: ['Max is red.', 'Max is not red.'] }),
      record([]),
    ])
    expect(summary).toMatchObject({ traces: 3, unverifiable: 1, inconsistent: 1, valid_traces: 0 })
    expect(summary.codes).toEqual({ unverifiable: 4, inconsistent: 1, no_conclusion: 1, quote_mismatch: 1 })
  })

  test('counts stand under our names, whatever names a trace invents', () => {
    const odd = record([
      { thought: '', name: '__proto__', args: [] },
      { thought: '', name: 'RULE', args: [] },
    ])
    const { summary } = verifyTraces([odd, record([], { steps: [{ action: 'x' }] })], {
      aliases: new Map([['RULE', 'MODUS_PONENS']]),
    })
    expect(Object.entries(summary.options)).toEqual([
      ['__proto__', { steps: 1, valid: 0 }],
      ['MODUS_PONENS', { steps: 1, valid: 0 }],
      ['(none)', { steps: 1, valid: 0 }],
    ])
  })
})

describe('explain', () => {
  test('a trace with every kind of step', () => {
    const steps: WrittenStep[] = [
      CHAIN_STEPS[0],
      { thought: 'So Max is a wumpus.', name: 'MODUS_PONENS', args: [1, 0] },
      { thought: 'Max is red. [1] So Max is small.', name: 'MODUS_PONENS', args: [5, 2] },
      { thought: '', name: 'ASSUME', args: ['Max is red.'] },
      { thought: 'So the answer is TRUE.', name: 'CONCLUDE', args: [0] },
    ]
    expect(
      explainTrace(
        CHAIN,
        verifyProof(CHAIN, `${render(steps.slice(0, 4))}Thought: Hm.\n${render(steps.slice(4))}`),
      ),
    ).toMatchInlineSnapshot(`
      " [0] Every yumpus is a wumpus.
       [1] Max is a yumpus.
       [2] Every wumpus is a dumpus.
       [3] Every dumpus is not red.
       [4] Every wumpus is small.
      Query: Max is red.

      +  [5] MODUS_PONENS[1, 0]  =>  Max is a wumpus.
             "Max is a yumpus. [1] Every yumpus is a wumpus. [0] So Max is a wumpus. [5]"
      =  [6] MODUS_PONENS[1, 0]  =>  Max is a wumpus.
             "So Max is a wumpus."
             redundant: Sound, but the formula was there already; not counted as progress.
      -  [7] MODUS_PONENS[5, 2]  =>  Max is a dumpus.
             "Max is red. [1] So Max is small."
             claim_mismatch: The Thought claims "Max is small", which is not what the step derives.
             note, quote_mismatch: "Max is red" is not line [1].
      +  [8] ASSUME['Max is red.']  =>  Max is red.
      -  [9] (no action)[]
             "Hm."
             malformed_action: The step has no action.
      -      CONCLUDE[0]
             "So the answer is TRUE."
             undischarged_assumption: The query stands in line [8], but still rests on the assumption [8].

      Answer: TRUE (gold label FALSE), not warranted.
      Steps: 3 of 6 valid; validity rate 16.7 %.
      The trace is not valid.
      "
    `)
  })

  test.each([
    [render(CHAIN_STEPS), CHAIN, ['proved by the trace', '100.0 %', 'The trace is valid.']],
    [render(CHAIN_STEPS.slice(0, 1)), CHAIN, ['Answer: none', 'without CONCLUDE']],
    ['', { ...CHAIN, conclusion: 'Hm hm hm.' }, ['cannot be read']],
    [
      render([{ thought: '', name: 'CONCLUDE', args: [2] }]),
      { ...CHAIN, entailment: 'unknown' as const },
      ['certified by the solver'],
    ],
    ['', { ...CHAIN, entailment: 'inconsistent' as const }, ['contradict']],
  ])('%#', (text, problem, parts) => {
    const explanation = explainTrace(problem, verifyProof(problem, text))
    for (const part of parts) expect(explanation).toContain(part)
  })
})
