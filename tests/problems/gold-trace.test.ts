import { describe, expect, test } from 'vitest'
import { annotateProblems } from '../../src/problems/annotate.ts'
import { generateProblems, type GeneratorOptions } from '../../src/problems/generator/generate.ts'
import { goldTrace } from '../../src/problems/gold-trace.ts'
import { claimedLine, quotedLine } from '../../src/problems/gold.ts'
import type { Problem } from '../../src/problems/problem.ts'
import { readProblems } from '../../src/problems/readers/read.ts'
import { sharedDataMissing, sharedText } from '../support/shared-data.ts'

const MAX: Problem = {
  problem_id: 'max',
  premises: ['Every yumpus is a wumpus.', 'Max is a yumpus.', 'Wumpuses are not red.'],
  conclusion: 'Max is red.',
  label: 'FALSE',
}

describe('texts', () => {
  test('modus ponens, and a conclusion from the line that decides', () => {
    expect(goldTrace(MAX)).toEqual({
      ok: true,
      steps: [
        {
          thought: 'Max is a yumpus. [1] Every yumpus is a wumpus. [0] So Max is a wumpus. [3]',
          action: '<Option type="MODUS_PONENS" args="[1, 0]" />',
        },
        {
          thought: 'Max is a wumpus. [3] Wumpuses are not red. [2] So Max is not red. [4]',
          action: '<Option type="MODUS_PONENS" args="[3, 2]" />',
        },
        {
          thought: 'Max is not red. [4] The query is Max is red. So the answer is FALSE.',
          action: '<Option type="CONCLUDE" args="[1]" />',
        },
      ],
    })
  })

  test('a query that is given', () => {
    const given: Problem = { ...MAX, conclusion: 'Max is a yumpus.', label: 'TRUE' }
    expect(goldTrace(given)).toEqual({
      ok: true,
      steps: [
        {
          thought: 'Max is a yumpus. [1] The query is Max is a yumpus. So the answer is TRUE.',
          action: '<Option type="CONCLUDE" args="[0]" />',
        },
      ],
    })
  })

  test('nothing decides', () => {
    const open: Problem = { ...MAX, conclusion: 'Max is not cold.', label: 'UNKNOWN' }
    expect(goldTrace(open)).toEqual({
      ok: true,
      steps: [
        {
          thought: 'Nothing that is given or follows says whether Max is cold. So the answer is UNKNOWN.',
          action: '<Option type="CONCLUDE" args="[2]" />',
        },
      ],
    })
  })

  test('only lines are quoted: sides, names and formulas among the arguments are not', () => {
    const both: Problem = {
      ...MAX,
      premises: ['Max is a yumpus and a wumpus.'],
      conclusion: 'Max is a wumpus or red.',
      label: 'TRUE',
    }
    const trace = goldTrace(both)
    expect(trace.ok && trace.steps.map(({ thought }) => thought)).toEqual([
      'Max is a yumpus and a wumpus. [0] So Max is a wumpus. [1]',
      'Max is a wumpus. [1] So Max is a wumpus or red. [2]',
      'Max is a wumpus or red. [2] The query is Max is a wumpus or red. So the answer is TRUE.',
    ])
  })

  test('a claim stands inside its sentence: only names keep their capital', () => {
    const tiger: Problem = {
      ...MAX,
      premises: ['The tiger is rough.', 'All rough things are nice.', 'Nice things are kind.'],
      conclusion: 'The tiger is kind.',
      label: 'TRUE',
    }
    const trace = goldTrace(tiger)
    expect(trace.ok && trace.steps[1]?.thought).toBe(
      'The tiger is nice. [3] Nice things are kind. [2] So the tiger is kind. [4]',
    )
  })

  test('formulas are quoted and claimed where the problem has them', () => {
    const tom: Problem = {
      problem_id: 'tom',
      premises: ['All cats purr.', 'Tom is a cat.'],
      premises_fol: ['∀x (Cat(x) → Purrs(x))', 'Cat(tom)'],
      conclusion: 'Tom purrs.',
      conclusion_fol: 'Purrs(tom)',
      label: 'TRUE',
    }
    const trace = goldTrace(tom)
    expect(trace.ok && trace.steps.map(({ thought }) => thought)).toEqual([
      'Cat(tom) [1] ∀x (Cat(x) → Purrs(x)) [0] So Purrs(tom) [2]',
      'Purrs(tom) [2] The query is Purrs(tom). So the answer is TRUE.',
    ])
  })

  test('the lines of a step are found again in its text', () => {
    const step = {
      thought: 'Max is a yumpus. [1] Every yumpus is a wumpus. [0] So Max is a wumpus. [3]',
      action: '',
    }
    expect(quotedLine(step)).toBe('Max is a yumpus. [1]')
    expect(claimedLine(step)).toBe('Max is a wumpus. [3]')
    expect(claimedLine({ thought: 'Assume Max is red. [3]', action: '' })).toBe('Max is red. [3]')
    expect(claimedLine({ thought: 'So it goes. So Max is red. [3]', action: '' })).toBe('Max is red. [3]')
    expect(claimedLine({ thought: 'Max is red.', action: '' })).toBeUndefined()
    expect(quotedLine({ thought: 'Max is red.', action: '' })).toBeUndefined()
  })
})

describe('no trace', () => {
  const reasonOf = (problem: Problem): string | undefined => {
    const trace = goldTrace(problem)
    return trace.ok ? undefined : trace.reason
  }

  test('where the label disagrees with the premises', () => {
    expect(reasonOf({ ...MAX, label: 'TRUE' })).toBe(
      'The premises make the conclusion FALSE, the label says TRUE.',
    )
  })

  test('where premises contradict each other', () => {
    expect(reasonOf({ ...MAX, premises: [...MAX.premises, 'Max is red.'] })).toMatch(/contradict/)
  })

  test('where a sentence cannot be read, with its place', () => {
    expect(reasonOf({ ...MAX, premises: [...MAX.premises, 'Why, Max?'] })).toMatch(
      /^The problem cannot be read \(premise 3: .+\)\.$/,
    )
  })
})

describe('annotation', () => {
  test('adds entailment and proof, keeps what is there, and leaves out what cannot be had', () => {
    const own = {
      ...MAX,
      problem_id: 'own',
      entailment: 'proved' as const,
      gold: [{ thought: 'a', action: 'b' }],
    }
    const mislabelled: Problem = { ...MAX, problem_id: 'mislabelled', label: 'TRUE' }
    const unreadable: Problem = { ...MAX, problem_id: 'unreadable', premises: ['Why, Max?'] }
    const trace = goldTrace(MAX)
    expect(annotateProblems([MAX, own, mislabelled, unreadable])).toEqual([
      { ...MAX, entailment: 'refuted', gold: trace.ok && trace.steps },
      own,
      { ...mislabelled, entailment: 'refuted' },
      unreadable,
    ])
  })

  test('a stored entailment settles what the search cannot', () => {
    const wide: Problem = {
      ...MAX,
      premises: ['If someone is red and they are cold then they are kind.', 'Max is red.'],
      conclusion: 'Max is kind.',
      label: 'UNKNOWN',
    }
    expect(goldTrace(wide).ok).toBe(false)
    const trace = goldTrace({ ...wide, entailment: 'unknown' })
    expect(trace.ok && trace.steps).toHaveLength(1)
  })
})

test('the proof search finds the very proofs that the generator knows', () => {
  const options: GeneratorOptions = {
    count: 300,
    seed: 3,
    split: 'dev',
    hops: [1, 2, 3, 4],
    distractorRules: 6,
    distractorFacts: 3,
    forms: 'mixed',
  }
  for (const problem of generateProblems(options)) {
    expect(goldTrace(problem)).toEqual({ ok: true, steps: problem.gold })
  }
})

describe.skipIf(sharedDataMissing('prontoqa'))('real files', () => {
  test.each([
    '1hop_1shot_random_seed101',
    '4hop_1shot_random_seed101',
    '5hop_1shot',
    '3hop_1shot_falseontology',
    '3hop_1shot_trueontology_nodistractor',
  ])('PrOntoQA %s: the shortest proof has as many steps as the official chain has hops', (file) => {
    for (const problem of readProblems(sharedText('prontoqa', `${file}.json`), file).problems) {
      const trace = goldTrace(problem)
      expect(trace).toMatchObject({ ok: true })
      expect(trace.ok && trace.steps.length - 1).toBe(problem.depth)
    }
  })
})
