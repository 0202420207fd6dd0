import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createJudge, type LabelledProblem } from '../../src/traces/judge.ts'
import { CHAIN, CHAIN_STEPS, edit, formulas, render, type WrittenStep } from './problems.ts'

const judge = createJudge()
const [first, second, third, last] = CHAIN_STEPS

const conclude = (label: 0 | 1 | 2, thought = ''): WrittenStep => ({
  thought,
  name: 'CONCLUDE',
  args: [label],
})
/** A step whose Thought claims the formula. */
const so = (claim: string, name: string, ...args: (number | string)[]): WrittenStep => ({
  thought: `So ${claim}.`,
  name,
  args,
})

interface Attack {
  readonly name: string
  readonly problem?: LabelledProblem
  readonly text: string
  /** A code that one of the steps must get. */
  readonly code: string
}

const RELATION = formulas(['∀x ∃y R(x, y)'], '∃y ∀x R(x, y)', 'UNKNOWN')
const FACT = formulas(['P(a)', '∀x (P(x) → Q(x))', 'S(b)'], '∀x P(x)', 'UNKNOWN')
const EXISTS = formulas(['∃x P(x)', 'Q(a)'], 'P(a)', 'UNKNOWN')

/** Families of attacks that must not make a valid trace. Each starts from a valid trace, or from what a model might try. */
const ATTACKS: readonly Attack[] = [
  // arguments
  { name: 'arguments swapped', text: render(edit(0, { args: [0, 1] })), code: 'rule_mismatch' },
  { name: 'fact off by one', text: render(edit(0, { args: [2, 0] })), code: 'rule_mismatch' },
  { name: 'rule off by one', text: render(edit(1, { args: [5, 3] })), code: 'rule_mismatch' },
  {
    name: 'the first fact where a derived one is needed',
    text: render(edit(1, { args: [1, 2] })),
    code: 'rule_mismatch',
  },
  { name: 'a line that comes later', text: render(edit(0, { args: [6, 0] })), code: 'index_out_of_range' },
  {
    name: 'the step itself as its reason',
    text: render(edit(0, { args: [5, 0] })),
    code: 'index_out_of_range',
  },
  { name: 'a negative index', text: render(edit(0, { args: [-1, 0] })), code: 'index_out_of_range' },
  {
    name: 'an index beyond 32 bits',
    text: render(edit(0, { args: [999_999_999, 0] })),
    code: 'index_out_of_range',
  },
  { name: 'an index in quotes', text: render(edit(0, { args: ['1', 0] })), code: 'argument_type' },
  { name: 'an argument too many', text: render(edit(0, { args: [1, 0, 0] })), code: 'arity' },
  {
    name: 'the sentences for their indices',
    text: render(edit(0, { args: ['Max is a yumpus.', 'Every yumpus is a wumpus.'] })),
    code: 'argument_type',
  },
  // options
  {
    name: 'a wrong option with right arguments',
    text: render(edit(0, { name: 'MODUS_TOLLENS' })),
    code: 'rule_mismatch',
  },
  {
    name: 'an option that joins instead of inferring',
    text: render(edit(0, { name: 'AND_INTRO' })),
    code: 'claim_mismatch',
  },
  { name: 'an invented option', text: render(edit(0, { name: 'RULE' })), code: 'unknown_option' },
  {
    name: 'an option in small letters',
    text: render(edit(0, { name: 'modus_ponens' })),
    code: 'unknown_option',
  },
  {
    name: 'a property of every object as option',
    text: render(edit(0, { name: 'constructor' })),
    code: 'unknown_option',
  },
  {
    name: 'an action without its form',
    text: render(CHAIN_STEPS).replace('<Option type="MODUS_PONENS" args="[1, 0]" />', 'MODUS_PONENS(1, 0)'),
    code: 'malformed_action',
  },
  {
    name: 'an action with something behind it',
    text: render(CHAIN_STEPS).replace('" />', '" /> and so on'),
    code: 'malformed_action',
  },
  {
    name: 'a Thought without action',
    text: `Thought: So Max is not red.\n${render([conclude(1)])}`,
    code: 'malformed_action',
  },
  {
    name: 'all Thoughts before all actions',
    text:
      CHAIN_STEPS.map(({ thought }) => `Thought: ${thought}\n`).join('') +
      render(CHAIN_STEPS.map((step) => ({ ...step, thought: '' }))).replaceAll('Thought: \n', ''),
    code: 'malformed_action',
  },
  // claims
  {
    name: 'the Thought restates a fact instead',
    text: render(edit(0, { thought: 'Max is a yumpus. [1] So Max is a yumpus.' })),
    code: 'claim_mismatch',
  },
  {
    name: 'the Thought opens by restating a fact, the action infers nothing',
    text: render(edit(0, { thought: 'Max is a yumpus. [1] So Max is a wumpus.', args: [1, 1] })),
    code: 'rule_mismatch',
  },
  {
    name: 'a true but different claim',
    text: render(edit(1, { thought: 'So Max is small.' })),
    code: 'claim_mismatch',
  },
  {
    name: 'an entailed claim that this rule does not give',
    text: render(edit(0, { thought: 'So Max is a dumpus.' })),
    code: 'claim_mismatch',
  },
  {
    name: 'the query as claim',
    text: render(edit(0, { thought: 'So Max is not red.' })),
    code: 'claim_mismatch',
  },
  {
    name: 'a negation dropped',
    text: render(edit(2, { thought: 'So Max is red.' })),
    code: 'claim_mismatch',
  },
  {
    name: 'a negation added',
    text: render(edit(0, { thought: 'So Max is not a wumpus.' })),
    code: 'claim_mismatch',
  },
  {
    name: 'another individual',
    text: render(edit(0, { thought: 'So Sally is a wumpus.' })),
    code: 'claim_mismatch',
  },
  {
    name: 'a second claim beside the right one',
    text: render(edit(0, { thought: 'So Max is a wumpus. Therefore Max is red.' })),
    code: 'claim_mismatch',
  },
  {
    name: 'a second claim in the same sentence',
    text: render(edit(0, { thought: 'So Max is a wumpus and red.' })),
    code: 'claim_mismatch',
  },
  {
    name: 'a claim before the marked text',
    text: `We conclude that Max is red.\n${render(CHAIN_STEPS)}`,
    code: 'claim_mismatch',
  },
  { name: 'no claim at all', text: render(edit(0, { thought: 'Max is a wumpus.' })), code: 'claim_missing' },
  { name: 'an empty Thought', text: render(edit(0, { thought: '' })), code: 'claim_missing' },
  {
    name: 'a pronoun',
    text: render(edit(0, { thought: 'Max is a yumpus. So he is a wumpus.' })),
    code: 'claim_unparsable',
  },
  {
    name: 'a denied claim',
    text: render(edit(0, { thought: 'We cannot conclude that Max is a wumpus.' })),
    code: 'claim_unparsable',
  },
  { name: 'a question', text: render(edit(0, { thought: 'So Max is a wumpus?' })), code: 'claim_unparsable' },
  {
    name: 'a hedge',
    text: render(edit(0, { thought: 'So probably Max is a wumpus.' })),
    code: 'claim_unparsable',
  },
  {
    name: 'a claim with a condition',
    text: render(edit(0, { thought: 'So if Max is small then Max is a wumpus.' })),
    code: 'claim_mismatch',
  },
  {
    name: 'a universal claim for a particular one',
    text: render(edit(0, { thought: 'So everything is a wumpus.' })),
    code: 'claim_mismatch',
  },
  {
    name: 'a look-alike letter in the claim',
    text: render(edit(0, { thought: 'So M\u0430x is a wumpus.' })),
    code: 'claim_mismatch',
  },
  {
    name: 'a look-alike letter in the marker',
    text: render(edit(0, { thought: '\u0405o Max is a wumpus.' })),
    code: 'claim_missing',
  },
  {
    name: 'a zero-width character in the claim',
    text: render(edit(0, { thought: 'So Max is a wum\u200Bpus.' })),
    code: 'claim_unparsable',
  },
  {
    name: 'a name in other letters',
    text: render(edit(0, { thought: 'So MAX is a wumpus.' })),
    code: 'claim_mismatch',
  },
  {
    name: 'a noun that only shares a prefix',
    text: render(edit(0, { thought: 'So Max is a wumpuses.' })),
    code: 'claim_mismatch',
  },
  // conclusions
  { name: 'a bare CONCLUDE with the gold label', text: render([last]), code: 'not_warranted' },
  { name: 'CONCLUDE before the proof', text: render([last, first, second, third]), code: 'not_warranted' },
  { name: 'CONCLUDE one step too early', text: render([first, second, last]), code: 'not_warranted' },
  {
    name: 'CONCLUDE with the opposite label',
    text: render([first, second, third, conclude(0)]),
    code: 'not_warranted',
  },
  {
    name: 'CONCLUDE whose Thought says the opposite',
    text: render(edit(3, { thought: 'So the answer is TRUE.' })),
    code: 'claim_mismatch',
  },
  { name: 'CONCLUDE UNKNOWN where the query is refuted', text: render([conclude(2)]), code: 'not_warranted' },
  {
    name: 'a second CONCLUDE behind a wrong one',
    text: render([conclude(0), first, second, third, last]),
    code: 'not_warranted',
  },
  {
    name: 'CONCLUDE with a fourth label',
    text: render([first, second, third, { ...last, args: [3] }]),
    code: 'argument_type',
  },
  {
    name: 'a CONCLUDE hidden in a Thought',
    text: `Thought: ${render([last])}`.replaceAll('\n', ' '),
    code: 'malformed_action',
  },
  // references to nothing
  {
    name: 'a step on an invalid step',
    text: render(edit(0, { thought: 'So Max is red.' })),
    code: 'invalid_reference',
  },
  {
    name: 'a malformed step that is referred to',
    text: render(CHAIN_STEPS).replace('[1, 0]"', '[1, 0"'),
    code: 'invalid_reference',
  },
  // assumptions
  {
    name: 'the query assumed',
    text: render([{ thought: '', name: 'ASSUME', args: ['Max is not red.'] }, last]),
    code: 'undischarged_assumption',
  },
  {
    name: 'a rule assumed',
    text: render([
      { thought: '', name: 'ASSUME', args: ['Every yumpus is not red.'] },
      so('Max is not red', 'MODUS_PONENS', 1, 5),
      conclude(1),
    ]),
    code: 'undischarged_assumption',
  },
  {
    name: 'the query from itself, discharged',
    text: render([
      { thought: '', name: 'ASSUME', args: ['Max is not red.'] },
      so('if Max is not red then Max is not red', 'CONDITIONAL_PROOF', 5, 5),
      so('Max is not red', 'MODUS_PONENS', 5, 6),
      conclude(1),
    ]),
    code: 'undischarged_assumption',
  },
  {
    name: 'a premise discharged as if it were an assumption',
    text: render([first, so('if Max is a yumpus then Max is a wumpus', 'CONDITIONAL_PROOF', 1, 5)]),
    code: 'rule_mismatch',
  },
  {
    name: 'an assumption left open by a case split',
    problem: formulas(['P(a) ∨ Q(a)', 'P(a) → S(a)'], 'S(a)', 'UNKNOWN'),
    text: render([
      { thought: '', name: 'ASSUME', args: ['P(a)'] },
      so('S(a)', 'MODUS_PONENS', 2, 1),
      { thought: '', name: 'ASSUME', args: ['S(a)'] },
      so('S(a)', 'CASE_SPLIT', 0, 2, 3, 4, 4),
      conclude(0),
    ]),
    code: 'rule_mismatch',
  },
  // quantifiers
  {
    name: 'quantifiers swapped through a dependent witness',
    problem: RELATION,
    text: render([
      so('∃y R(c, y)', 'UNIV_INSTANTIATION', 0, 'c'),
      so('R(c, d)', 'EXIST_INSTANTIATION', 1, 'd'),
      so('∀x R(x, d)', 'UNIV_GENERALIZATION', 2, 'c'),
      so('∃y ∀x R(x, y)', 'EXIST_GENERALIZATION', 3, 'd'),
      conclude(0),
    ]),
    code: 'eigenvariable',
  },
  {
    name: 'generalisation over a constant of a premise',
    problem: FACT,
    text: render([so('∀x P(x)', 'UNIV_GENERALIZATION', 0, 'a'), conclude(0)]),
    code: 'eigenvariable',
  },
  {
    name: 'generalisation over an assumed individual',
    problem: FACT,
    text: render([
      { thought: '', name: 'ASSUME', args: ['P(c)'] },
      so('∀x P(x)', 'UNIV_GENERALIZATION', 3, 'c'),
      conclude(0),
    ]),
    code: 'eigenvariable',
  },
  {
    name: 'generalisation over a witness',
    problem: { ...EXISTS, conclusion: '∀x P(x)', conclusion_fol: '∀x P(x)' },
    text: render([
      so('P(d)', 'EXIST_INSTANTIATION', 0, 'd'),
      so('∀x P(x)', 'UNIV_GENERALIZATION', 2, 'd'),
      conclude(0),
    ]),
    code: 'eigenvariable',
  },
  {
    name: 'a known individual as witness',
    problem: EXISTS,
    text: render([so('P(a)', 'EXIST_INSTANTIATION', 0, 'a'), conclude(0)]),
    code: 'eigenvariable',
  },
  {
    name: 'one witness for two existentials',
    problem: formulas(['∃x P(x)', '∃x Q(x)'], '∃x (P(x) ∧ Q(x))', 'UNKNOWN'),
    text: render([
      so('P(d)', 'EXIST_INSTANTIATION', 0, 'd'),
      so('Q(d)', 'EXIST_INSTANTIATION', 1, 'd'),
      so('P(d) ∧ Q(d)', 'AND_INTRO', 2, 3),
      so('∃x (P(x) ∧ Q(x))', 'EXIST_GENERALIZATION', 4, 'd'),
      conclude(0),
    ]),
    code: 'eigenvariable',
  },
  {
    name: 'the fallacy of the converse',
    problem: formulas(['Q(a)', '∀x (P(x) → Q(x))'], 'P(a)', 'UNKNOWN'),
    text: render([so('P(a)', 'MODUS_PONENS', 0, 1), conclude(0)]),
    code: 'rule_mismatch',
  },
  {
    name: 'the fallacy of the inverse',
    problem: formulas(['¬P(a)', '∀x (P(x) → Q(x))'], 'Q(a)', 'UNKNOWN'),
    text: render([so('¬Q(a)', 'MODUS_TOLLENS', 0, 1), conclude(1)]),
    code: 'rule_mismatch',
  },
  {
    name: 'free variables',
    problem: FACT,
    text: render([{ thought: '', name: 'ASSUME', args: ['P(x)'] }]),
    code: 'formula_unparsable',
  },
  // premises
  {
    name: 'contradictory premises that prove anything',
    problem: formulas(['P(a)', '¬P(a)'], 'Q(a)', 'TRUE'),
    text: render([
      so('P(a) ∨ Q(a)', 'OR_INTRO', 0, 0, 'Q(a)'),
      so('Q(a)', 'DISJUNCTIVE_SYLLOGISM', 2, 1),
      conclude(0),
    ]),
    code: 'inconsistent',
  },
  {
    name: 'premises known to be contradictory',
    problem: { ...CHAIN, entailment: 'inconsistent' },
    text: render(CHAIN_STEPS),
    code: 'inconsistent',
  },
  {
    name: 'premises that cannot be read',
    problem: {
      ...CHAIN,
      premises: [...CHAIN.premises.slice(0, 4), 'Wumpuses, one hears, tend to smallness.'],
    },
    text: render(CHAIN_STEPS),
    code: 'unverifiable',
  },
  // size
  {
    name: 'formulas that double at every step',
    text: render([
      ...Array.from({ length: 14 }, (_, i): WrittenStep => ({
        thought: '',
        name: 'AND_INTRO',
        args: [i === 0 ? 1 : 4 + i, i === 0 ? 1 : 4 + i],
      })),
      last,
    ]),
    code: 'claim_missing',
  },
  {
    name: 'more steps than a trace may have',
    text: render([
      ...Array.from({ length: 1021 }, () => ({ ...first, thought: 'So Max is a wumpus.' })),
      second,
      third,
      last,
    ]),
    code: 'redundant',
  },
  {
    name: 'a claim of a megabyte',
    text: render(edit(0, { thought: `So Max is a ${'wumpus and a '.repeat(80_000)}wumpus.` })),
    code: 'claim_unparsable',
  },
]

test('there are at least 40 families, each once', () => {
  expect(ATTACKS.length).toBeGreaterThanOrEqual(40)
  expect(new Set(ATTACKS.map(({ name }) => name)).size).toBe(ATTACKS.length)
})

describe('the traces that are attacked are valid', () => {
  test('the chain', () => {
    expect(judge(CHAIN, render(CHAIN_STEPS))).toMatchObject({
      trace_valid: true,
      warrant: 'proof',
      validity_rate: 1,
    })
  })
})

describe('no attack makes a valid trace', () => {
  test.each(ATTACKS)('$name', ({ problem = CHAIN, text, code }) => {
    const trace = judge(problem, text)
    expect(trace.steps.map((step) => step.code)).toContain(code)
    expect(trace.trace_valid && code !== 'redundant').toBe(false)
  })
})

describe('padding gains nothing', () => {
  const honest = judge(CHAIN, render(CHAIN_STEPS)).validity_rate

  test.each<[string, readonly WrittenStep[]]>([
    [
      'a valid step again',
      [first, { ...first, thought: 'So Max is a wumpus.' }, { ...second, thought: 'So Max is a dumpus.' }],
    ],
    ['a premise derived again', [so('Max is a yumpus', 'AND_ELIM', 0, 0)]],
    [
      'assumptions that nothing discharges',
      [
        { thought: '', name: 'ASSUME', args: ['Max is blue.'] },
        { thought: '', name: 'ASSUME', args: ['Max is hot.'] },
      ],
    ],
    [
      'what follows from them',
      [
        { thought: '', name: 'ASSUME', args: ['Max is a lorpus.'] },
        so('Max is a lorpus and a yumpus', 'AND_INTRO', 5, 1),
      ],
    ],
    [
      'an assumption again',
      [
        { thought: '', name: 'ASSUME', args: ['Max is blue.'] },
        { thought: '', name: 'ASSUME', args: ['Max is blue.'] },
      ],
    ],
  ])('%s', (_name, padding) => {
    const offset = padding.length
    const shifted = CHAIN_STEPS.map((step) => ({
      ...step,
      thought: step.name === 'CONCLUDE' ? '' : (step.thought.match(/So .*?\./)?.[0] ?? ''),
      args: step.name === 'CONCLUDE' ? step.args : step.args.map((arg) => (arg >= 5 ? arg + offset : arg)),
    }))
    const trace = judge(CHAIN, render([...padding, ...shifted]))
    expect(trace.validity_rate).toBeLessThan(honest)
    expect(trace.warrant).toBe('proof')
  })

  test('a guess of UNKNOWN is certified by the solver, and never counted as a proof', () => {
    const open = { ...CHAIN, conclusion: 'Max is blue.', label: 'UNKNOWN', entailment: 'unknown' } as const
    expect(judge(open, render([conclude(2)]))).toMatchObject({ trace_valid: true, warrant: 'solver' })
  })

  test('text behind CONCLUDE neither helps nor harms', () => {
    const trace = judge(CHAIN, `${render(CHAIN_STEPS)}Thought: So Max is red.\nAction: nonsense\n`)
    expect(trace).toEqual(judge(CHAIN, render(CHAIN_STEPS)))
  })
})

describe('whatever the text, a proof proves what is entailed', () => {
  const problem: LabelledProblem = { ...CHAIN, conclusion: 'Max is not small.' }
  const pieces = [
    render([first]),
    render([{ thought: 'So Max is small.', name: 'MODUS_PONENS', args: [5, 4] }]),
    render([{ thought: 'So Max is small.', name: 'MODUS_PONENS', args: [1, 0] }]),
    render([{ thought: '', name: 'ASSUME', args: ['Max is not small.'] }]),
    render([{ thought: 'So Max is not small.', name: 'CONTRADICTION', args: [6, 5, 5] }]),
    ...[0, 1, 2].map((label) => render([{ thought: '', name: 'CONCLUDE', args: [label] }])),
    'Thought: So Max is not small.\n',
    'So the answer is TRUE. ',
    'Action: ',
    '\n',
  ]

  test('for random arrangements of promising pieces', () => {
    let proofs = 0
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...pieces, ...pieces.slice(0, 2), ...pieces.slice(0, 2)), {
          minLength: 3,
          maxLength: 6,
        }),
        (parts) => {
          const trace = judge(problem, parts.join(''))
          if (trace.trace_valid) proofs++
          expect(trace.trace_valid && trace.final_answer !== 'FALSE').toBe(false)
          expect(
            trace.steps.every(
              (step) => step.solver_valid === (step.code === null || step.code === 'redundant'),
            ),
          ).toBe(true)
        },
      ),
      { numRuns: 4000, seed: 5 },
    )
    // The property is not empty: some arrangements do prove it.
    expect(proofs).toBeGreaterThan(0)
  })

  test('for a valid trace with random damage', () => {
    const valid = render([
      first,
      { thought: 'So Max is small.', name: 'MODUS_PONENS', args: [5, 4] },
      conclude(1),
    ])
    expect(judge(problem, valid).trace_valid).toBe(true)
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(8), fc.string({ maxLength: 4 }), (at, length, insert) => {
        const trace = judge(problem, valid.slice(0, at) + insert + valid.slice(at + length))
        expect(trace.trace_valid && trace.final_answer !== 'FALSE').toBe(false)
      }),
      { numRuns: 2000, seed: 6 },
    )
  })

  test('for any text at all, without throwing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
        expect(
          judge(problem, `Thought: So ${text}\nAction: <Option type="ASSUME" args="['${text}']" />`)
            .trace_valid,
        ).toBe(false)
      }),
      { numRuns: 500, seed: 7 },
    )
  })
})
