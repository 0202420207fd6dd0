import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { PolicyRef, Trajectory } from '../../src/backends/backend.ts'
import { createScriptedBackend } from '../../src/backends/scripted.ts'
import { ElenchusError } from '../../src/errors.ts'
import { referenceScores } from '../../src/training/reference-scores.ts'

let folder = ''
let path = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-reference-'))
  path = join(folder, 'reference_scores.jsonl')
})
afterEach(() => rm(folder, { recursive: true }))

const POLICY: PolicyRef = { kind: 'base', fingerprint: 'start' }
/** Three chunks: two of 2,048 and a rest. */
const TRAJECTORIES: readonly Trajectory[] = Array.from({ length: 5000 }, (_, index) => ({
  prompt: `question ${index % 700}`,
  ids: Int32Array.of(index, index + 1),
}))
const sumOf = ({ ids }: Trajectory): number => -1 - (ids[0] ?? 0) / 3

/** Scores; the calls that it gets are counted, and one of them may fail. */
function attempt(options: { failsAt?: number; resume?: boolean; policy?: PolicyRef } = {}) {
  const calls: number[] = []
  const scripted = createScriptedBackend(() => '')
  const backend = {
    ...scripted,
    capabilities: { ...scripted.capabilities, score: true },
    score: async (trajectories: readonly Trajectory[]) => {
      if (calls.length === options.failsAt) throw new ElenchusError('worker_died', 'killed')
      calls.push(trajectories.length)
      return trajectories.map((each) => ({ sum: sumOf(each), logprobs: new Float32Array(2) }))
    },
  }
  const { resume = false, policy = POLICY } = options
  const scores = referenceScores(
    { backend, events: () => undefined, resume },
    { stage: 'dpo', path, resume, trajectories: TRAJECTORIES, policy },
  )
  return { calls, scores }
}

test('a chunk that was scored is not scored again after an interruption, and its seconds count', async () => {
  const first = attempt({ failsAt: 2 })
  await expect(first.scores).rejects.toThrow('killed')
  expect(first.calls).toEqual([2048, 2048])
  const second = attempt({ resume: true })
  const { sums, seconds } = await second.scores
  expect(second.calls).toEqual([904])
  expect([...sums]).toEqual(TRAJECTORIES.map(sumOf))
  const stored = (await readFile(path, 'utf8')).trim().split('\n')
  const all = stored.map((line) => (JSON.parse(line) as { seconds: number }).seconds)
  expect(seconds).toBeCloseTo(all[0]! + all[1]! + all[2]!, 12)
})

test('a chunk that was torn by a kill is scored again', async () => {
  await expect(attempt({ failsAt: 1 }).scores).rejects.toThrow('killed')
  await appendFile(path, '{"of":"')
  const second = attempt({ resume: true })
  expect([...(await second.scores).sums]).toEqual(TRAJECTORIES.map(sumOf))
  expect(second.calls).toEqual([2048, 904])
})

test('scores of another start are not believed', async () => {
  await attempt().scores
  const other = attempt({ resume: true, policy: { kind: 'base', fingerprint: 'another' } })
  await other.scores
  expect(other.calls).toEqual([2048, 2048, 904])
  const once = attempt({ resume: true, policy: { kind: 'base', fingerprint: 'another' } })
  expect([...(await once.scores).sums]).toEqual(TRAJECTORIES.map(sumOf))
  expect(once.calls).toEqual([])
})

test.each([
  ['no probability', 'non_finite', [{ sum: -Infinity, logprobs: new Float32Array(1) }]],
  ['no score', 'protocol_violation', []],
  ['no log-probability of a token', 'protocol_violation', [{ sum: -1, logprobs: new Float32Array(0) }]],
])('a backend that gives a completion %s is refused by name: %s', async (_, code, given) => {
  const one: readonly Trajectory[] = [{ prompt: 'q', ids: Int32Array.of(1) }]
  const scripted = createScriptedBackend(() => '')
  const scores = referenceScores(
    {
      backend: {
        ...scripted,
        capabilities: { ...scripted.capabilities, score: true },
        score: () => Promise.resolve(given),
      },
      events: () => undefined,
      resume: false,
    },
    { stage: 'dpo', path, resume: false, trajectories: one, policy: POLICY },
  )
  await expect(scores).rejects.toMatchObject({ code })
})
