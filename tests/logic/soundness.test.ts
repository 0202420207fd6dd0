import { describe, expect, test } from 'vitest'
import { runSoundness } from '../../scripts/soundness/run.ts'
import { check } from '../../src/logic/checker/check.ts'
import { OPTION_NAMES } from '../../src/logic/checker/options.ts'
import type { StepJudgement } from '../../src/logic/checker/judgement.ts'

/** Also `npm run soundness -- --steps 100000 --seed 1`; docs/judge.md explains what is asked of Z3. */
describe('random steps over random theories', () => {
  test('Z3 refutes no step that the checker accepts', async () => {
    const report = await runSoundness({ steps: 2000, seed: 20 })
    expect(report.refuted).toEqual([])
    expect(report.steps).toBe(2000)
    expect(report.accepted).toBeGreaterThan(400)
    expect(report.undecided).toBeLessThan(report.accepted / 100)
    const accepted = Object.entries(report.options).filter(([, option]) => option.accepted > 0)
    expect(accepted.map(([name]) => name).sort()).toEqual(
      OPTION_NAMES.filter((name) => name !== 'CONCLUDE').sort(),
    )
  })

  /** What the checker says of a step, spoilt. */
  const spoilt = (change: (step: StepJudgement) => StepJudgement): typeof check => {
    return (problem, steps, options) => {
      const judgement = check(problem, steps, options)
      return { ...judgement, steps: judgement.steps.map(change) }
    }
  }

  test.each([
    ['forgets what a line rests on', spoilt((step) => ({ ...step, restsOn: [] }))],
    [
      'takes an implication for its condition',
      spoilt((step) => (step.derived?.kind === 'implies' ? { ...step, derived: step.derived.left } : step)),
    ],
  ])('a checker that %s is caught', async (_name, checker) => {
    const report = await runSoundness({ steps: 300, seed: 20, checker })
    expect(report.refuted.length).toBeGreaterThan(0)
  })
})
