/**
 * Everything the judge can say against a step or a trace. `scope`: what the code is attached to; a
 * `note` stands beside a step and changes no verdict.
 */
export const JUDGE_CODES = {
  malformed_action: { scope: 'step', meaning: 'The step has no action, or its action cannot be read.' },
  unknown_option: { scope: 'step', meaning: 'There is no inference rule of this name.' },
  arity: { scope: 'step', meaning: 'The option has another number of arguments.' },
  argument_type: { scope: 'step', meaning: 'An argument is not of the kind that the option takes there.' },
  formula_unparsable: { scope: 'step', meaning: 'A formula among the arguments cannot be read.' },
  index_out_of_range: { scope: 'step', meaning: 'No earlier line has this index.' },
  invalid_reference: { scope: 'step', meaning: 'The line that is referred to belongs to an invalid step.' },
  rule_mismatch: { scope: 'step', meaning: 'The rule does not apply to these lines in this order.' },
  eigenvariable: { scope: 'step', meaning: 'The constant is not arbitrary, or the witness is not new.' },
  claim_missing: { scope: 'step', meaning: 'The Thought does not say what the step derives.' },
  claim_mismatch: {
    scope: 'step',
    meaning: 'The Thought claims something other than what the step derives.',
  },
  claim_unparsable: { scope: 'step', meaning: 'The claim in the Thought cannot be read without guessing.' },
  undischarged_assumption: { scope: 'step', meaning: 'The conclusion still rests on an assumption.' },
  not_warranted: { scope: 'step', meaning: 'Nothing derived so far supports this conclusion.' },
  too_large: { scope: 'step', meaning: 'The step exceeds a limit on size.' },
  unverifiable: {
    scope: 'step',
    meaning: 'The premises or the query cannot be read, so nothing can be checked.',
  },
  inconsistent: {
    scope: 'step',
    meaning: 'The premises contradict each other, so any conclusion would follow.',
  },
  redundant: { scope: 'step', meaning: 'Sound, but the formula was there already; not counted as progress.' },
  quote_mismatch: { scope: 'note', meaning: 'The Thought quotes a line wrongly, or under a wrong index.' },
  article_repaired: {
    scope: 'note',
    meaning: 'An article was missing ("Sally is numpus") and was supplied.',
  },
  no_conclusion: { scope: 'trace', meaning: 'The trace ends without CONCLUDE.' },
} as const satisfies Record<string, { scope: 'step' | 'note' | 'trace'; meaning: string }>

export type JudgeCode = keyof typeof JUDGE_CODES

/** Why a step is refused, in one sentence. */
export interface Refusal {
  readonly code: JudgeCode
  readonly message: string
}

export function refuse(code: JudgeCode, message: string): Refusal {
  return { code, message }
}

const LONGEST_EXCERPT = 80

/** Text of a trace as a message may quote it: hostile text must not make long messages. */
export function excerpt(text: string): string {
  return text.length <= LONGEST_EXCERPT ? `"${text}"` : `"${text.slice(0, LONGEST_EXCERPT - 1)}…"`
}
