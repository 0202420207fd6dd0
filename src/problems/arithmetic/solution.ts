import type { ArithmeticStep } from './question.ts'

/**
 * How a generated solution is written: `terse` equations only, `wordy` sentences, `bare` the answer without
 * any work. Of one solution the styles differ in length and not in content.
 */
export const SOLUTION_STYLES = ['terse', 'wordy', 'bare'] as const
export type SolutionStyle = (typeof SOLUTION_STYLES)[number]

/** A solution in GSM8K's form: `... 12+5 = <<12+5=17>>17 ...` per step, and `#### 17` at the end. */
export function renderSolution(steps: readonly ArithmeticStep[], style: SolutionStyle): string {
  const lines = style === 'bare' ? [] : steps.map((step) => renderStep(step, style))
  return [...lines, `#### ${steps.at(-1)?.result ?? ''}`].join('\n')
}

function renderStep(step: ArithmeticStep, style: 'terse' | 'wordy'): string {
  const { lead, left, operator, right, result, unit } = step
  const equation = `<<${left}${operator}${right}=${result}>>${result}`
  if (style === 'terse') return `${left}${operator}${right}=${equation}`
  return `${lead} ${left} ${operator} ${right} = ${equation} ${unit}.`
}
