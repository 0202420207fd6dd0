import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createScriptedBackend } from '../../src/backends/scripted.ts'
import { annotateProblems } from '../../src/problems/annotate.ts'
import { generateProblems } from '../../src/problems/generator/generate.ts'
import type { Problem } from '../../src/problems/problem.ts'
import { renderProofPrompt, renderStep } from '../../src/prompts/proof.ts'
import * as inline from '../../src/traces/collect.ts'
import { createSampleJudge } from '../../src/traces/sample-judge.ts'
import type * as ThreadedModule from '../../src/traces/threaded-judge.ts'
import { compile, type Compiled } from '../support/compiled.ts'

const PROBLEMS = annotateProblems(
  generateProblems({ hops: [1, 3], labels: ['TRUE', 'FALSE'], count: 12, seed: 3, split: 'dev', name: 'x' }),
)

/** Sample 0 proves, sample 1 breaks off, sample 2 says nothing that can be read. */
function textOf(problem: Problem, sample: number): string {
  const steps = (problem.gold ?? []).map(({ thought, action }) => renderStep(thought, action))
  return sample === 0 ? steps.join('') : sample === 1 ? (steps[0] ?? '') : 'no step at all \u{1F600}'
}

let compiled: Compiled
let folder = ''
let threaded: typeof ThreadedModule
let collect: typeof inline
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-judge-'))
  compiled = await compile('src/traces/collect.ts', 'src/traces/judge-thread.ts')
  // Threads need JavaScript: the same sources, compiled.
  const load = <T>(path: string): Promise<T> =>
    import(pathToFileURL(compiled.script(path)).href) as Promise<T>
  threaded = await load<typeof ThreadedModule>('src/traces/threaded-judge.ts')
  collect = await load<typeof inline>('src/traces/collect.ts')
})
afterAll(async () => {
  await compiled[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

async function recordsOf(module: typeof inline, name: string): Promise<string> {
  const prompts = new Map(PROBLEMS.map((problem) => [renderProofPrompt(problem), problem]))
  const asked = new Map<string, number>()
  const backend = createScriptedBackend(({ prompt }) => {
    const sample = asked.get(prompt) ?? 0
    asked.set(prompt, sample + 1)
    const problem = prompts.get(prompt)
    return problem === undefined ? '' : textOf(problem, sample)
  })
  const path = join(folder, name)
  const outcome = await module.collectTraces(backend, {
    onRecord: () => undefined,
    stage: 'traces',
    path,
    resume: false,
    problems: PROBLEMS,
    samplesPerProblem: 3,
    sampling: { temperature: 1, top_p: 1, max_steps: 9, max_thought_tokens: 500, max_new_tokens: 4000 },
    seed: 1,
    policy: { kind: 'base', fingerprint: 'scripted' },
    events: () => {},
  })
  expect(outcome.generated).toBe(36)
  expect(outcome.judge_seconds).toBeGreaterThan(0)
  return readFile(path, 'utf8')
}

test('records are the same, byte for byte, with the judge inline and on its thread', async () => {
  const onThread = await recordsOf(collect, 'threaded.jsonl')
  expect(onThread).toBe(await recordsOf(inline, 'inline.jsonl'))
  expect(onThread.split('\n').filter((line) => line.includes('"trace_valid":true'))).toHaveLength(12)
})

describe('the thread', () => {
  test('answers many questions at once, each with its own verdict', async () => {
    await using judge = threaded.openJudge(PROBLEMS, 3)
    const here = createSampleJudge(PROBLEMS, 3)
    const questions = PROBLEMS.flatMap((problem, index) =>
      [0, 1, 2].map((sample) => ({ problem, index, sample })),
    )
    const answers = await Promise.all(
      questions.map(({ problem, index, sample }) => judge.judge(index, textOf(problem, sample))),
    )
    expect(answers.map(({ judged }) => judged)).toEqual(
      questions.map(({ problem, index, sample }) => here(index, textOf(problem, sample))),
    )
  })

  test('does not hold up the event loop while it judges a very long trace', async () => {
    await using judge = threaded.openJudge(PROBLEMS, 1)
    await judge.judge(1, 'warm')
    const [problem] = PROBLEMS
    if (problem === undefined) throw new Error('no problem')
    const text = textOf(problem, 1).repeat(40_000)
    const before = performance.eventLoopUtilization()
    const { seconds } = await judge.judge(0, text)
    const { active } = performance.eventLoopUtilization(before)
    // Handing the text over and taking the verdicts back is all that this side does.
    expect(active / 1000).toBeLessThan(seconds)
  })

  test('that fails says so to everybody who waits, and to those who come later', async () => {
    await using judge = threaded.openJudge(PROBLEMS, 1)
    const outside = judge.judge(99, 'of a problem that is not there')
    const behind = judge.judge(0, 'behind it')
    const failed = { code: 'internal', message: expect.stringContaining("judge's thread") as string }
    await expect(outside).rejects.toMatchObject(failed)
    await expect(behind).rejects.toMatchObject(failed)
    await expect(judge.judge(0, 'later')).rejects.toMatchObject(failed)
  })

  test('that is disposed of leaves nobody waiting', async () => {
    const judge = threaded.openJudge(PROBLEMS, 1)
    const waiting = judge.judge(0, textOf(PROBLEMS[0]!, 1).repeat(20_000))
    const settled = expect(waiting).rejects.toMatchObject({ code: 'internal' })
    await judge[Symbol.asyncDispose]()
    await settled
  })
})
