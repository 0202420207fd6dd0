import { describe, expect, test } from 'vitest'
import { prepareProblem } from '../../src/logic/checker/prepare.ts'
import { annotateProblems } from '../../src/problems/annotate.ts'
import { demonstrate } from '../../src/problems/demonstrations.ts'
import { generateProblems } from '../../src/problems/generator/generate.ts'
import { RULE_TYPES } from '../../src/problems/generator/twist.ts'
import type { GoldStep, Problem } from '../../src/problems/problem.ts'
import { readProblems } from '../../src/problems/readers/read.ts'
import { renderStep } from '../../src/prompts/proof.ts'
import { judgeText, type Judged } from '../../src/traces/judge.ts'
import { sharedDataMissing, sharedText } from '../support/shared-data.ts'

function judge(problem: Problem, steps: readonly GoldStep[]): Judged['judgement'] {
  const text = steps.map(({ thought, action }) => renderStep(thought, action)).join('')
  return judgeText(prepareProblem(problem), text).judgement
}

/** What the strict judge finds wrong with a problem's gold proof; empty if nothing. */
function objections(problem: Problem): string[] {
  const { gold } = problem
  if (gold === undefined) return [`${problem.problem_id}: no gold proof`]
  const { steps, label, warrant, valid } = judge(problem, gold)
  const found: string[] = []
  for (const [k, step] of steps.entries()) {
    if (step.verdict !== 'valid') found.push(`step ${k}: ${step.verdict}, ${step.message}`)
    for (const note of step.notes) found.push(`step ${k}: ${note.code}: ${note.message}`)
  }
  if (!valid) found.push('not valid')
  if (label !== problem.label) found.push(`concludes ${label}, not ${problem.label}`)
  if (warrant !== (problem.label === 'UNKNOWN' ? 'solver' : 'proof')) found.push(`warrant ${warrant}`)
  return found.map((objection) => `${problem.problem_id}: ${objection}`)
}

test.each(['fictional', 'real-words', 'taxonomy'] as const)(
  '%s: every generated proof passes',
  (ontology) => {
    const problems = generateProblems({
      count: 300,
      seed: 11,
      split: 'dev',
      hops: [1, 2, 3],
      labels: ['TRUE', 'FALSE', 'UNKNOWN'],
      forms: 'mixed',
      ontology,
      distractorRules: 5,
      distractorFacts: 3,
    })
    expect(problems.flatMap(objections)).toEqual([])
  },
)

test.each(RULE_TYPES)('%s: every generated proof passes, and uses it once', (rule) => {
  const problems = generateProblems({
    count: 240,
    seed: 13,
    split: 'dev',
    hops: [1, 2, 3],
    labels: ['TRUE', 'FALSE', 'UNKNOWN'],
    forms: 'mixed',
    rules: [rule],
    distractorRules: 5,
    distractorFacts: 2,
  })
  expect(problems.flatMap(objections)).toEqual([])
  if (rule === 'modus_ponens') return
  const uses = problems.map(
    ({ gold }) => gold?.filter(({ action }) => action.includes(rule.toUpperCase())).length,
  )
  expect(new Set(uses)).toEqual(new Set([1]))
})

test('the judge sees every planted fault', () => {
  const problems = generateProblems({ count: 200, seed: 12, split: 'sft', hops: [2, 3] })
  const swapped = { carelessShare: 1, swapShare: 1, guessShare: 0, seed: 1 }
  const guessed = { carelessShare: 1, swapShare: 0, guessShare: 1, seed: 1 }
  for (const problem of problems) {
    const codes = (steps: readonly GoldStep[]): (string | null)[] =>
      judge(problem, steps).steps.map(({ code }) => code)
    expect(codes(demonstrate(problem, swapped))[0]).toBe('rule_mismatch')
    expect(codes(demonstrate(problem, guessed)).at(-1)).toBe('not_warranted')
  }
})

const PRONTOQA = [
  '1hop_1shot_random_seed101',
  '2hop_1shot_random_seed101',
  '3hop_1shot_random_seed101',
  '4hop_1shot_random_seed101',
  '5hop_1shot',
  '3hop_1shot_falseontology',
  '3hop_1shot_trueontology_nodistractor',
  '1hop_AndElim_1shot',
  '1hop_AndIntro_1shot',
  '1hop_OrElim_1shot',
  '1hop_OrIntro_1shot',
  '1hop_ProofByContra_1shot',
]

describe.skipIf(sharedDataMissing('prontoqa'))('real files', () => {
  test.each(PRONTOQA)('%s: every problem has a gold proof that passes', (file) => {
    const { problems } = readProblems(sharedText('prontoqa', `${file}.json`), file)
    expect(annotateProblems(problems).flatMap(objections)).toEqual([])
  })

  test.each(['proofwriter/dev.json', 'folio/folio-validation-half.jsonl'])(
    '%s: every proof found passes',
    (file) => {
      const { problems } = readProblems(sharedText(file), 'dev')
      const found = annotateProblems(problems).filter(({ gold }) => gold !== undefined)
      expect(found.length).toBeGreaterThan(50)
      // The search is greedy where plans are nested: a sound detour is possible, and rare.
      const [detours, others] = partition(found.flatMap(objections), (text) => text.includes(': redundant, '))
      expect(others).toEqual([])
      expect(detours.length).toBeLessThan(0.02 * found.length)
    },
  )
})

function partition(texts: readonly string[], belongs: (text: string) => boolean): [string[], string[]] {
  return [texts.filter(belongs), texts.filter((text) => !belongs(text))]
}
