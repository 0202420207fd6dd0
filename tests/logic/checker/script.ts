import { expect } from 'vitest'
import { check, type CheckOptions } from '../../../src/logic/checker/check.ts'
import type { Judgement } from '../../../src/logic/checker/judgement.ts'
import { prepareProblem, type PreparedProblem, type ProblemText } from '../../../src/logic/checker/prepare.ts'
import type { ProofStep } from '../../../src/logic/checker/step.ts'
import { sameFormula } from '../../../src/logic/formula.ts'
import { renderFol } from '../../../src/logic/language/render-fol.ts'
import { readAction } from '../../../src/traces/action.ts'

/** A problem in first-order syntax. */
export function folProblem(
  premises: readonly string[],
  query = 'Query(q)',
  entailment?: ProblemText['entailment'],
): PreparedProblem {
  const problem = prepareProblem({
    premises,
    conclusion: query,
    premises_fol: premises,
    conclusion_fol: query,
    entailment,
  })
  if (!problem.verifiable) throw new Error(JSON.stringify(problem.reasons))
  return problem
}

/** `NAME arg, arg` as a step whose Thought says nothing. */
export function proofStep(written: string): ProofStep {
  const space = written.indexOf(' ')
  const name = space < 0 ? written : written.slice(0, space)
  const args = space < 0 ? '' : written.slice(space + 1)
  const read = readAction(`<Option type="${name}" args="[${args}]" />`)
  if (!read.ok) throw new Error(`${written}: ${read.problem}`)
  return { action: read.action, problem: null, claims: [], quotes: [] }
}

/**
 * Checks a proof written one step a line, `NAME args => expected`: a formula that the step must derive, or
 * `!code` for a refusal, or `=formula` for a redundant step. Steps without `=>` may be anything.
 */
export function expectProof(
  premises: readonly string[],
  script: readonly string[],
  settings: { query?: string; entailment?: ProblemText['entailment'] } & Partial<CheckOptions> = {},
): Judgement {
  const problem = folProblem(premises, settings.query, settings.entailment)
  const lines = script.map((line) => line.split(' => '))
  const steps = lines.map(([written = '']) => proofStep(written))
  const judgement = check(problem, steps, { claims: 'ignored', ...settings })
  const actual = judgement.steps.map(({ verdict, code, derived }, index) => {
    const expected = lines[index]?.[1]
    if (expected === undefined) return undefined
    if (verdict === 'invalid') return `!${code}`
    if (derived === null) return verdict
    const parsed = problem.parser.parse(expected.replace(/^[=!]/, ''))
    const text =
      parsed.ok && sameFormula(parsed.formula, derived) ? expected.replace(/^[=!]/, '') : renderFol(derived)
    return verdict === 'redundant' ? `=${text}` : text
  })
  expect(actual).toEqual(lines.slice(0, actual.length).map(([, expected]) => expected))
  return judgement
}
