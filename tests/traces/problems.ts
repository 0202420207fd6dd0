import type { LabelledProblem } from '../../src/traces/judge.ts'
import { renderOption, renderStep } from '../../src/prompts/proof.ts'

/** Five premises; the query is refuted in three steps. */
export const CHAIN: LabelledProblem = {
  premises: [
    'Every yumpus is a wumpus.',
    'Max is a yumpus.',
    'Every wumpus is a dumpus.',
    'Every dumpus is not red.',
    'Every wumpus is small.',
  ],
  conclusion: 'Max is red.',
  label: 'FALSE',
  entailment: 'refuted',
}

export interface WrittenStep {
  readonly thought: string
  readonly name: string
  readonly args: readonly (number | string)[]
}

export const CHAIN_STEPS = [
  {
    thought: 'Max is a yumpus. [1] Every yumpus is a wumpus. [0] So Max is a wumpus. [5]',
    name: 'MODUS_PONENS',
    args: [1, 0],
  },
  {
    thought: 'Max is a wumpus. [5] Every wumpus is a dumpus. [2] So Max is a dumpus. [6]',
    name: 'MODUS_PONENS',
    args: [5, 2],
  },
  {
    thought: 'Max is a dumpus. [6] Every dumpus is not red. [3] So Max is not red. [7]',
    name: 'MODUS_PONENS',
    args: [6, 3],
  },
  {
    thought: 'Max is not red. [7] The query is Max is red. So the answer is FALSE.',
    name: 'CONCLUDE',
    args: [1],
  },
] as const satisfies readonly WrittenStep[]

export function render(steps: readonly WrittenStep[]): string {
  return steps.map(({ thought, name, args }) => renderStep(thought, renderOption(name, args))).join('')
}

/** The steps with some fields of one of them replaced. */
export function edit(
  index: number,
  change: Partial<WrittenStep>,
  steps: readonly WrittenStep[] = CHAIN_STEPS,
): WrittenStep[] {
  return steps.map((step, i) => (i === index ? { ...step, ...change } : step))
}

/** A problem in first-order syntax. */
export function formulas(
  premises: readonly string[],
  conclusion: string,
  label: LabelledProblem['label'],
  entailment?: LabelledProblem['entailment'],
): LabelledProblem {
  return {
    premises,
    conclusion,
    premises_fol: premises,
    conclusion_fol: conclusion,
    label,
    ...(entailment === undefined ? {} : { entailment }),
  }
}
