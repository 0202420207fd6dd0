import { appendFile, copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { PolicyRef } from '../../src/backends/backend.ts'
import { createScriptedBackend, type Script } from '../../src/backends/scripted.ts'
import { evaluationSchema } from '../../src/config/evaluation.ts'
import { questionEvaluationSchema } from '../../src/config/evaluation-questions.ts'
import { rolloutsSchema } from '../../src/config/rollouts.ts'
import { tracesSchema } from '../../src/config/traces.ts'
import { ElenchusError } from '../../src/errors.ts'
import { runQuestionEvaluation } from '../../src/evaluation/questions-stage.ts'
import { runEvaluation } from '../../src/evaluation/stage.ts'
import { generateQuestions } from '../../src/problems/arithmetic/generate.ts'
import { loadProblems } from '../../src/pipelines/problem-files.ts'
import { loadQuestions } from '../../src/pipelines/question-files.ts'
import { generateProblems } from '../../src/problems/generator/generate.ts'
import { writeJsonl } from '../../src/runs/jsonl.ts'
import { runRollouts } from '../../src/rollouts/stage.ts'
import { runTraces } from '../../src/traces/stage.ts'

const POLICY: PolicyRef = { kind: 'base', fingerprint: 'scripted' }
const COUNT = 12

let folder = ''
/** The data file of the stage. */
let data = ''
let dir = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-faults-'))
  data = join(folder, 'data.jsonl')
  dir = join(folder, 'run')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

interface Attempt {
  readonly script: Script
  readonly resume: boolean
  readonly maxNewTokens: number
}

/** A stage that generates: how its data are made, and how it runs on them. */
interface Stage {
  /** Its file of records. */
  readonly records: string
  readonly make: () => Promise<unknown>
  readonly run: (attempt: Attempt) => Promise<object>
}

const contextOf = ({ script, resume }: Attempt) => ({
  backend: createScriptedBackend(script),
  events: () => undefined,
  resume,
})
const makeProblems = () =>
  writeJsonl(data, generateProblems({ count: COUNT, seed: 1, split: 'train', hops: [1, 2] }))
const makeQuestions = () => writeJsonl(data, generateQuestions({ count: COUNT, seed: 1, split: 'train' }))
const SAMPLING = { temperature: 1, max_steps: 3, max_thought_tokens: 40 }

const STAGES: Readonly<Record<string, Stage>> = {
  traces: {
    records: 'run/traces.jsonl',
    make: makeProblems,
    run: async (attempt) =>
      runTraces(contextOf(attempt), {
        dir,
        config: tracesSchema.parse({
          ...SAMPLING,
          samples_per_problem: 1,
          max_new_tokens: attempt.maxNewTokens,
        }),
        seed: 1,
        problems: await loadProblems(data),
        policy: POLICY,
      }),
  },
  evaluation: {
    records: 'run/evaluation.jsonl',
    make: makeProblems,
    run: async (attempt) =>
      runEvaluation(contextOf(attempt), {
        dir,
        config: evaluationSchema.parse({ ...SAMPLING, max_new_tokens: attempt.maxNewTokens }),
        seed: 1,
        problems: await loadProblems(data),
        policy: POLICY,
      }),
  },
  rollouts: {
    records: 'rollouts.jsonl',
    make: makeQuestions,
    run: async (attempt) =>
      runRollouts(contextOf(attempt), {
        dir,
        path: join(folder, 'rollouts.jsonl'),
        config: rolloutsSchema.parse({ arms: 2, max_new_tokens: attempt.maxNewTokens }),
        seed: 1,
        questions: await loadQuestions([data]),
        policy: POLICY,
      }),
  },
  questions: {
    records: 'rows.jsonl',
    make: makeQuestions,
    run: async (attempt) =>
      runQuestionEvaluation(contextOf(attempt), {
        dir,
        path: join(folder, 'rows.jsonl'),
        config: questionEvaluationSchema.parse({ max_new_tokens: attempt.maxNewTokens }),
        seed: 1,
        questions: await loadQuestions([data]),
        policy: POLICY,
      }),
  },
}

/** What a scripted model says depends on prompt and seed, as with a real one. */
const answer: Script = ({ prompt, seed }) => `${prompt.length} ${seed}\n#### ${seed % 7}`
const calm: Attempt = { script: answer, resume: false, maxNewTokens: 100 }
const again: Attempt = { ...calm, resume: true }

/** What a summary says of the records, whoever wrote them when. */
const ofRecords = (summary: object) => {
  const ofAnAttempt = /^generated|seconds|^tokens_per_second$|^timing$|^throughput$/
  return Object.entries(summary).filter(([name]) => !ofAnAttempt.test(name))
}

/** Fails at the eighth completion. */
function failing(error: Error): Attempt {
  let left = 7
  return {
    ...calm,
    script: (request, options) => {
      if (left-- === 0) throw error
      return answer(request, options)
    },
  }
}

describe.each(Object.entries(STAGES))('%s', (_name, { records, make, run }) => {
  const pathOf = (): string => join(folder, records)
  const read = (): Promise<string> => readFile(pathOf(), 'utf8')

  let undisturbed: object = {}

  /** The bytes of an undisturbed run; then leaves the folder with one that stopped half-way. */
  async function stoppedHalfWay(error = new Error('pulled the plug')): Promise<string> {
    await make()
    undisturbed = await run(calm)
    const wanted = await read()
    await rm(dir, { recursive: true })
    await rm(pathOf(), { force: true })
    await expect(run(failing(error))).rejects.toThrow(error.message)
    expect((await read()).length).toBeLessThan(wanted.length)
    return wanted
  }

  test('a torn last record is cut, and made again', async () => {
    const wanted = await stoppedHalfWay()
    const torn = wanted.slice((await read()).length).slice(0, 30)
    await appendFile(pathOf(), torn)
    const resumed = await run(again)
    expect(await read()).toBe(wanted)
    expect(ofRecords(resumed)).toEqual(ofRecords(undisturbed))
    expect(ofRecords(resumed).length).toBeGreaterThan(1)
  })

  test('a corrupt record in mid-file is refused with its line, and nothing is deleted', async () => {
    const wanted = await stoppedHalfWay()
    const lines = (await read()).split('\n')
    lines[1] = lines[1]!.slice(0, 25)
    await writeFile(pathOf(), lines.join('\n'))
    const before = await read()
    const resumed = run(again)
    await expect(resumed).rejects.toMatchObject({
      code: 'record_invalid',
      hint: expect.stringContaining(`head -n 1 ${pathOf()}`),
      details: { path: pathOf(), line: 2 },
    })
    await expect(resumed).rejects.toThrow(`${pathOf()}:2`)
    expect(await read()).toBe(before)
    // What the hint says helps.
    await writeFile(pathOf(), `${lines[0]}\n`)
    await run(again)
    expect(await read()).toBe(wanted)
  })

  test('a file from which somebody took a record is refused, with the one that belongs there', async () => {
    await stoppedHalfWay()
    const [first, , ...others] = (await read()).split('\n')
    await writeFile(pathOf(), [first, ...others].join('\n'))
    const resumed = run(again)
    await expect(resumed).rejects.toMatchObject({ code: 'record_invalid', details: { line: 2 } })
    await expect(resumed).rejects.toThrow(/belongs there/)
  })

  test('a data file that has changed is refused, and put back it goes on', async () => {
    const wanted = await stoppedHalfWay()
    const kept = join(folder, 'kept.jsonl')
    await copyFile(data, kept)
    const [first = '', ...others] = (await readFile(data, 'utf8')).split('\n')
    await writeFile(data, [...others.slice(0, -1), first, ''].join('\n'))
    const before = await read()
    const resumed = run(again)
    await expect(resumed).rejects.toMatchObject({ code: 'config_changed' })
    await expect(resumed).rejects.toThrow(/inputs\.(?:problems|questions): "[0-9a-f]{64}" -> "[0-9a-f]{64}"/)
    expect(await read()).toBe(before)
    await copyFile(kept, data)
    await run(again)
    expect(await read()).toBe(wanted)
  })

  test('a changed setting is refused, with what it was and is', async () => {
    await stoppedHalfWay()
    const resumed = run({ ...again, maxNewTokens: 50 })
    await expect(resumed).rejects.toMatchObject({ code: 'config_changed' })
    await expect(resumed).rejects.toThrow('max_new_tokens: 100 -> 50')
  })

  test('a worker out of memory ends it with what to do; what it had made is kept', async () => {
    const wanted = await stoppedHalfWay(new ElenchusError('out_of_memory', 'CUDA out of memory.'))
    expect((await read()).split('\n').length).toBeGreaterThan(2)
    expect(await readdir(dir)).not.toContain('run.lock')
    await run(again)
    expect(await read()).toBe(wanted)
  })
})
