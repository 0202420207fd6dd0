import { describe, expect, test } from 'vitest'
import { createJudge } from '../../src/traces/judge.ts'
import { foreignTraceSchema, traceRecordSchema } from '../../src/traces/record.ts'
import { verifyTraces } from '../../src/traces/verify.ts'
import { CHAIN, CHAIN_STEPS, edit, render } from './problems.ts'

/** What was wrong with the judges that this one replaces (docs/judge.md); each must be impossible here. */
describe('defects of earlier judges', () => {
  const judge = createJudge()

  test('reading only the first "X is Y" of the Thought: option, arguments and claim all decide', () => {
    const restated = (change: Parameters<typeof edit>[1]) => judge(CHAIN, render(edit(0, change))).steps[0]
    // The old judge accepted each of these, because the Thought opens with a given fact.
    expect(restated({ thought: 'Max is a yumpus. So Max is red.' })?.solver_valid).toBe(false)
    expect(restated({ thought: 'Max is a yumpus. So Max is a wumpus.', args: [0, 1] })?.solver_valid).toBe(
      false,
    )
    expect(
      restated({ thought: 'Max is a yumpus. So Max is a wumpus.', name: 'AND_ELIM' })?.solver_valid,
    ).toBe(false)
    expect(restated({ thought: 'Max is a yumpus.' })?.solver_valid).toBe(false)
  })

  test('counting what cannot be parsed as valid', () => {
    const trace = judge(
      CHAIN,
      'Thought: So it goes.\nAction: whatever\nThought: Hm.\nAction: <Option type="MODUS_PONENS" args="[?]" />\n',
    )
    expect(trace.steps.map(({ solver_valid, code }) => [solver_valid, code])).toEqual([
      [false, 'malformed_action'],
      [false, 'malformed_action'],
    ])
    expect(judge({ ...CHAIN, premises: ['Zorg!'] }, render(CHAIN_STEPS))).toMatchObject({
      valid_step_count: 0,
      status: 'unverifiable',
    })
  })

  test('a bare guess of the gold label as a fully valid trace', () => {
    expect(judge(CHAIN, render(CHAIN_STEPS.slice(3)))).toMatchObject({
      correct: true,
      warranted: false,
      trace_valid: false,
      all_steps_valid: false,
      validity_rate: 0,
    })
  })

  test("one problem's ontology judging all later problems", () => {
    const other = {
      ...CHAIN,
      premises: [
        'Every yumpus is a zumpus.',
        'Max is a yumpus.',
        'Max is a lorpus.',
        'Max is shy.',
        'Max is small.',
      ],
    }
    expect(judge(CHAIN, render(CHAIN_STEPS)).trace_valid).toBe(true)
    expect(judge(other, render(CHAIN_STEPS)).valid_step_count).toBe(0)
    expect(judge(CHAIN, render(CHAIN_STEPS)).trace_valid).toBe(true)
  })

  test('the placeholder RULE as an option, unless someone says what it stands for', () => {
    const text = render(CHAIN_STEPS).replaceAll('MODUS_PONENS', 'RULE')
    expect(judge(CHAIN, text).steps[0]?.code).toBe('unknown_option')
  })

  test('"all" found inside "small": words are read whole', () => {
    const problem = {
      premises: ['Max is small.', 'Every small thing is red.'],
      conclusion: 'Max is red.',
      label: 'TRUE' as const,
    }
    const step = { name: 'MODUS_PONENS', args: [0, 1] }
    const claim = (thought: string) => judge(problem, render([{ ...step, thought }]))
    expect(claim('So all Max is red.').trace_valid).toBe(false)
    expect(judge({ ...CHAIN, premises: ['Max is small.', 'Sm every yumpus is a wumpus.'] }, '').status).toBe(
      'unverifiable',
    )
  })

  test('metrics from missing keys: every field is there, and a record without steps is refused', () => {
    const trace = judge(CHAIN, '')
    expect(trace).toMatchObject({ total_step_count: 0, validity_rate: 0, trace_valid: false })
    const { validity_rate: _dropped, ...incomplete } = trace
    expect(traceRecordSchema.safeParse(incomplete).success).toBe(false)
    expect(foreignTraceSchema.safeParse({ premises: [], conclusion: 'Max is red.' }).success).toBe(false)
  })

  test('"Uncertain" that never equals UNKNOWN', () => {
    const steps = [
      { thought: 'So the answer is Uncertain.', action: '<Option type="CONCLUDE" args="[2]" />' },
    ]
    const record = foreignTraceSchema.parse({
      premises: ['Max is small.'],
      conclusion: 'Max is red.',
      label: 'Uncertain',
      steps,
    })
    const { judged } = verifyTraces([record], { entailmentOf: () => 'unknown' })
    expect(judged[0]).toMatchObject({ correct: true, final_answer: 'UNKNOWN', warranted: true })
  })
})
