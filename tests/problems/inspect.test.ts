import { describe, expect, test } from 'vitest'
import { generateProblems, SPLITS } from '../../src/problems/generator/generate.ts'
import { inspectProblems } from '../../src/problems/inspect.ts'
import type { Problem } from '../../src/problems/problem.ts'

const MAX: Problem = {
  problem_id: 'max',
  premises: ['Every yumpus is a wumpus.', 'Max is a yumpus.'],
  conclusion: 'Max is a wumpus.',
  label: 'TRUE',
  depth: 1,
}

test('counts, balance and lengths', () => {
  const longer: Problem = {
    ...MAX,
    problem_id: 'longer',
    premises: [...MAX.premises, 'Max is red.', 'Max is cold.'],
    label: 'FALSE',
    entailment: 'proved',
    gold: [{ thought: 'a', action: 'b' }],
  }
  const { depth: _, ...undated } = { ...MAX, problem_id: 'undated', conclusion: 'Max is blurbing.' }
  const { sets, leaks } = inspectProblems({ train: [MAX, longer, undated], empty: [] })
  expect(leaks).toEqual([])
  expect(sets['train']).toEqual({
    problems: 3,
    labels: { TRUE: 2, FALSE: 1, UNKNOWN: 0 },
    depths: { 1: 2, unknown: 1 },
    entailments: { none: 2, proved: 1 },
    with_gold: 1,
    unreadable: 0,
    premises: { min: 2, mean: 8 / 3, max: 4 },
    prompt_length: { min: 92, mean: 103, max: 125 },
    gold_length: { min: 21, mean: 21, max: 21 },
    duplicates: [],
    repeated_ids: [],
  })
  expect(sets['empty']).toMatchObject({ problems: 0, premises: null, prompt_length: null, gold_length: null })
})

describe('duplicates and leaks', () => {
  test('order and wording do not hide a duplicate', () => {
    const again: Problem = {
      ...MAX,
      problem_id: 'again',
      premises: ['Max is a yumpus.', 'Yumpuses are wumpuses.'],
    }
    const other: Problem = { ...MAX, problem_id: 'other', conclusion: 'Max is not a wumpus.', label: 'FALSE' }
    expect(inspectProblems({ all: [MAX, again, other, MAX] }).sets['all']).toMatchObject({
      duplicates: [
        { problem_id: 'again', same_as: 'max' },
        { problem_id: 'max', same_as: 'max' },
      ],
      repeated_ids: ['max'],
    })
  })

  test('a shared problem and shared rules are two leaks', () => {
    const sameRules: Problem = {
      ...MAX,
      problem_id: 'sally',
      premises: ['Sally is a yumpus.', 'Each yumpus is a wumpus.'],
      conclusion: 'Sally is a wumpus.',
    }
    const otherRules: Problem = {
      ...MAX,
      problem_id: 'rules',
      premises: [...MAX.premises, 'Wumpuses are red.'],
    }
    expect(inspectProblems({ a: [MAX], b: [otherRules] }).leaks).toEqual([])
    expect(inspectProblems({ a: [MAX], b: [otherRules, sameRules] }).leaks).toEqual([
      { kind: 'rules', sets: ['a', 'b'], shared: 1, example: ['max', 'sally'] },
    ])
    expect(inspectProblems({ a: [MAX], b: [otherRules], c: [sameRules, MAX] }).leaks).toEqual([
      { kind: 'problem', sets: ['a', 'c'], shared: 1, example: ['max', 'max'] },
      { kind: 'rules', sets: ['a', 'c'], shared: 1, example: ['max', 'sally'] },
    ])
  })

  test('problems without rules share none', () => {
    const bare = (id: string, name: string): Problem => ({
      ...MAX,
      problem_id: id,
      premises: [`${name} is red.`],
      conclusion: `${name} is red.`,
    })
    expect(inspectProblems({ a: [bare('1', 'Max')], b: [bare('2', 'Rex')] }).leaks).toEqual([])
  })

  test('what no grammar reads is counted, and compared as text', () => {
    const odd: Problem = {
      ...MAX,
      problem_id: 'odd',
      premises: ['Colourless green ideas sleep, don’t they.'],
    }
    const { sets, leaks } = inspectProblems({ a: [odd, { ...odd, problem_id: 'odder' }], b: [odd] })
    expect(sets['a']).toMatchObject({ unreadable: 2, duplicates: [{ problem_id: 'odder', same_as: 'odd' }] })
    expect(leaks.map(({ kind }) => kind)).toEqual(['problem'])
  })

  test('generated splits are clean', () => {
    const sets = Object.fromEntries(
      SPLITS.map((split) => [split, generateProblems({ count: 300, seed: 1, split, hops: [1, 2] })]),
    )
    const report = inspectProblems(sets)
    expect(report.leaks).toEqual([])
    for (const split of SPLITS) {
      expect(report.sets[split]).toMatchObject({
        problems: 300,
        labels: { TRUE: 150, FALSE: 150, UNKNOWN: 0 },
        with_gold: 300,
        unreadable: 0,
        duplicates: [],
      })
    }
  })
})
