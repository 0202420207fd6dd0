import type { Problem } from '../problems/problem.ts'

/** Changes whenever a rendered prompt changes; part of every stage's fingerprint. */
export const PROOF_PROMPT_VERSION = 'proof-1'

/**
 * The one prompt of every OaK stage: SFT, trace generation, DPO and evaluation.
 *
 * The index stands behind its premise, where a small model can copy "text, index" in one go. Where a
 * problem has formulas (FOLIO), each premise shows text and formula, and claims are formulas.
 */
export function renderProofPrompt(problem: Problem): string {
  const lines = problem.premises.map((premise, index) => {
    const formula = problem.premises_fol?.[index]
    return formula === undefined ? `${premise} [${index}]` : `${premise} ${formula} [${index}]`
  })
  const query =
    problem.conclusion_fol === undefined
      ? problem.conclusion
      : `${problem.conclusion} ${problem.conclusion_fol}`
  return `Premises:\n${lines.join('\n')}\nQuery: ${query}\nProof:\n`
}

/** One step as every trace writes it. */
export function renderStep(thought: string, action: string): string {
  return `Thought: ${thought}\nAction: ${action}\n`
}

/** An `Action:` payload: `<Option type="NAME" args="[...]" />`. String arguments stand in single quotes. */
export function renderOption(name: string, args: readonly (number | string)[]): string {
  const rendered = args.map((arg) => (typeof arg === 'number' ? String(arg) : `'${arg}'`))
  return `<Option type="${name}" args="[${rendered.join(', ')}]" />`
}

/** Generation ends at the end of the line that holds CONCLUDE; text after it does not exist. */
export const CONCLUDE_STOP = '<Option type="CONCLUDE" args="['
