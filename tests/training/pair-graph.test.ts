import { expect, test } from 'vitest'
import type { PreferencePair } from '../../src/preferences/pair.ts'
import { buildPairGraph, pairsByQuestion } from '../../src/training/pair-graph.ts'

const pair = (prompt: string, chosen: number[], rejected: number[]): PreferencePair => ({
  problem_id: 'p',
  prompt,
  chosen: '',
  rejected: '',
  chosen_ids: chosen,
  rejected_ids: rejected,
  chosen_score: 1,
  rejected_score: 0,
  margin: 1,
  pair_type: 'trace',
})

test('each distinct trajectory stands once; the same ids after another prompt are another trajectory', () => {
  const graph = buildPairGraph([pair('A', [1, 2], [3]), pair('A', [1, 2], [4]), pair('B', [1, 2], [3])])
  expect(graph.trajectories.map(({ prompt, ids }) => [prompt, ...ids])).toEqual([
    ['A', 1, 2],
    ['A', 3],
    ['A', 4],
    ['B', 1, 2],
    ['B', 3],
  ])
  expect(graph.edges).toEqual([
    { chosen: 0, rejected: 1 },
    { chosen: 0, rejected: 2 },
    { chosen: 3, rejected: 4 },
  ])
})

test('a pair without ids is an error that names it', () => {
  const { chosen_ids: _c, rejected_ids: _r, ...bare } = pair('A', [1], [2])
  expect(() => buildPairGraph([pair('A', [1], [2]), bare])).toThrow(/Pair 2 has no token ids/)
})

test('the pairs of a prompt are one question, and those of one chosen side follow each other', () => {
  const graph = buildPairGraph([
    pair('A', [1], [3]),
    pair('B', [1], [3]),
    pair('A', [2], [3]),
    pair('A', [1], [4]),
    pair('A', [2], [4]),
  ])
  expect(pairsByQuestion(graph)).toEqual([[0, 3, 2, 4], [1]])
})
