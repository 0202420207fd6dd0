import { describe, expect, test } from 'vitest'
import { demonstrate, type DemonstrationOptions } from '../../src/problems/demonstrations.ts'
import { generateProblems } from '../../src/problems/generator/generate.ts'
import type { GoldStep, Problem } from '../../src/problems/problem.ts'

const PROBLEMS = generateProblems({ count: 600, seed: 4, split: 'sft', hops: [2, 3] })
const CAREFUL: DemonstrationOptions = { carelessShare: 0, swapShare: 1, guessShare: 1, seed: 9 }

/** The careful proof is `gold`; what differs from it. */
function faults(
  problem: Problem,
  steps: readonly GoldStep[],
): { swapped: number; kept: number; broken: boolean } {
  const gold = problem.gold!
  const kept = steps.length - 1
  const swapped = steps.slice(0, kept).filter((step, k) => step.action !== gold[k]!.action)
  return { swapped: swapped.length, kept, broken: kept < gold.length - 1 }
}

test('without carelessness a demonstration is the gold proof', () => {
  for (const problem of PROBLEMS) expect(demonstrate(problem, CAREFUL)).toBe(problem.gold)
})

test('swapped arguments change the action and nothing else', () => {
  const options = { carelessShare: 1, swapShare: 1, guessShare: 0, seed: 9 }
  for (const problem of PROBLEMS) {
    const steps = demonstrate(problem, options)
    expect(steps.map(({ thought }) => thought)).toEqual(problem.gold!.map(({ thought }) => thought))
    const swap = (action: string): string => action.replace(/\[(\d+), (\d+)\]/, '[$2, $1]')
    expect(steps.map(({ action }) => action)).toEqual(problem.gold!.map(({ action }) => swap(action)))
  }
})

test('a proof that breaks off is a prefix and a guess about the line it has reached', () => {
  const options = { carelessShare: 1, swapShare: 0, guessShare: 1, seed: 9 }
  const lengths = new Set<number>()
  let right = 0
  for (const problem of PROBLEMS) {
    const gold = problem.gold!
    const steps = demonstrate(problem, options)
    const kept = steps.length - 1
    lengths.add(kept)
    expect(kept).toBeLessThan(gold.length - 1)
    expect(steps.slice(0, kept)).toEqual(gold.slice(0, kept))
    const [, evidence, query, label] =
      /^(.+ \[\d+\]) The query is (.+) So the answer is (TRUE|FALSE)\.$/.exec(steps[kept]!.thought)!
    // The next step would have started from the very same line.
    expect(gold[kept]!.thought.startsWith(`${evidence} `)).toBe(true)
    expect(query).toBe(problem.conclusion)
    expect(steps[kept]!.action).toBe(`<Option type="CONCLUDE" args="[${label === 'TRUE' ? 0 : 1}]" />`)
    if (label === problem.label) right++
  }
  expect(lengths).toEqual(new Set([0, 1, 2]))
  // Five standard deviations of 600 fair coins are 61.
  expect(Math.abs(right - 300)).toBeLessThan(62)
})

test('breaking off after a given number of steps leaves shorter proofs whole', () => {
  const options = { carelessShare: 1, swapShare: 0, guessShare: 1, guessAfter: 2, seed: 9 }
  for (const problem of PROBLEMS) {
    const steps = demonstrate(problem, options)
    expect(steps).toHaveLength(3)
    expect(faults(problem, steps)).toEqual({ swapped: 0, kept: 2, broken: problem.depth === 3 })
    expect(steps.slice(0, 2)).toEqual(problem.gold!.slice(0, 2))
  }
})

test('the shares are met', () => {
  const seen = PROBLEMS.map((problem) =>
    faults(problem, demonstrate(problem, { carelessShare: 0.5, swapShare: 0.6, guessShare: 0.4, seed: 9 })),
  )
  const broken = seen.filter((fault) => fault.broken).length
  expect(broken / PROBLEMS.length).toBeCloseTo(0.5 * 0.4, 1)
  const whole = seen.filter((fault) => !fault.broken)
  const steps = whole.reduce((sum, fault) => sum + fault.kept, 0)
  const swapped = whole.reduce((sum, fault) => sum + fault.swapped, 0)
  // Of the whole proofs, .3 / .8 are careless.
  expect(swapped / steps).toBeCloseTo((0.3 / 0.8) * 0.6, 1)
})

test('which demonstration is careless depends on seed and name only', () => {
  const options = { carelessShare: 0.5, swapShare: 0.6, guessShare: 0.4, seed: 9 }
  const all = PROBLEMS.map((problem) => demonstrate(problem, options))
  expect(PROBLEMS.toReversed().map((problem) => demonstrate(problem, options))).toEqual(all.toReversed())
  expect(PROBLEMS.map((problem) => demonstrate(problem, { ...options, seed: 10 }))).not.toEqual(all)
})

describe('what has no careless version', () => {
  const [problem] = PROBLEMS as [Problem]
  const guess = { carelessShare: 1, swapShare: 0, guessShare: 1, seed: 9 }

  test('a problem without a gold proof is refused', () => {
    const { gold: _, ...bare } = problem
    expect(() => demonstrate(bare, CAREFUL)).toThrow('has no gold proof')
  })

  test('a gold proof in other words cannot break off, and is refused', () => {
    const foreign = { ...problem, gold: problem.gold!.map(({ action }) => ({ thought: 'Clearly.', action })) }
    expect(() => demonstrate(foreign, guess)).toThrow('is not in the form of our gold proofs')
    expect(demonstrate(foreign, CAREFUL)).toBe(foreign.gold)
  })

  test('a proof without derivations stays as it is', () => {
    const atOnce = { ...problem, gold: problem.gold!.slice(-1) }
    expect(demonstrate(atOnce, guess)).toEqual(atOnce.gold)
  })
})
