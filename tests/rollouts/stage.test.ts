import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { GenerateOptions, GenerateRequest, ModelBackend, PolicyRef } from '../../src/backends/backend.ts'
import { createScriptedBackend } from '../../src/backends/scripted.ts'
import { rolloutsSchema, type RolloutsConfig } from '../../src/config/rollouts.ts'
import { generateQuestions } from '../../src/problems/arithmetic/generate.ts'
import { renderAbelPrompt } from '../../src/prompts/abel.ts'
import { discrimination } from '../../src/regime-w/discrimination.ts'
import { scoredGroupSchema, type ScoredGroup } from '../../src/regime-w/group.ts'
import { rescore } from '../../src/regime-w/rescore.ts'
import { runRollouts, type RolloutsSummary } from '../../src/rollouts/stage.ts'
import type { RunEvent } from '../../src/runs/events.ts'
import { readJsonl } from '../../src/runs/jsonl.ts'
import { readManifest } from '../../src/runs/manifest.ts'

const QUESTIONS = generateQuestions({ count: 12, seed: 3, split: 'train' })
const POLICY: PolicyRef = { kind: 'base', fingerprint: 'scripted' }

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-rollouts-'))
  path = join(folder, 'rollouts.jsonl')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Right for even seeds, in two wordings; what it says depends on prompt and seed only, as with a real model. */
function answer({ prompt, seed }: GenerateRequest, { temperature }: GenerateOptions): string {
  const question = QUESTIONS.find((each) => prompt === renderAbelPrompt(each.question))
  if (question === undefined) throw new Error(`unknown prompt ${prompt}`)
  if (seed % 5 === 0) return `at ${temperature} nobody knows`
  if (seed % 4 === 0) return `Let us see. ${question.answer}`
  return seed % 2 === 0 ? question.answer : `${question.answer}9\nQuestion:\nand another`
}

/** Completions of a call in reverse order: the last question is ready first. */
function reversed(backend: ModelBackend): ModelBackend {
  return {
    ...backend,
    async *generate(requests, options) {
      const all = await collected(backend.generate(requests, options))
      yield* all.reverse()
    },
  }
}

async function run(
  backend: ModelBackend,
  changes: Partial<RolloutsConfig> = {},
  options: { readonly resume?: boolean; readonly events?: (event: RunEvent) => void } = {},
): Promise<{ summary: RolloutsSummary; groups: ScoredGroup[] }> {
  const { resume = false, events = () => {} } = options
  const config = rolloutsSchema.parse({ arms: 4, max_new_tokens: 400, ...changes })
  const summary = await runRollouts(
    { backend, events, resume },
    { dir: join(folder, 'run'), path, config, seed: 7, questions: QUESTIONS, policy: POLICY },
  )
  return { summary, groups: await collected(readJsonl(path, scoredGroupSchema)) }
}

test('groups stand in question order, each with all arms, graded and scored', async () => {
  const { summary, groups } = await run(reversed(createScriptedBackend(answer)), { preset: 'trajectory' })
  expect(groups.map(({ question_id }) => question_id)).toEqual(
    QUESTIONS.map(({ question_id }) => question_id),
  )
  for (const group of groups) {
    expect(group.trajectories.map(({ arm }) => arm)).toEqual([0, 1, 2, 3])
    expect(group).toMatchObject({ policy: 'scripted', preset: 'trajectory', degenerate: false })
    expect(rescore(group, 'trajectory')).toEqual(group)
    for (const { seed = 0, correct, answer: given, full_text, finish_reason } of group.trajectories) {
      expect(correct).toBe(seed % 5 !== 0 && seed % 2 === 0)
      if (seed % 5 === 0) expect(given).toBeNull()
      // Generation ends where the model goes on with another question.
      expect(full_text).not.toContain('and another')
      expect(finish_reason).toBe(seed % 5 !== 0 && seed % 2 === 1 ? 'next_question' : 'eos')
    }
  }
  const all = groups.flatMap(({ trajectories }) => trajectories)
  expect(new Set(all.map(({ seed }) => seed)).size).toBe(48)
  expect(summary).toMatchObject({
    questions: 12,
    answers: 48,
    correct: all.filter(({ correct }) => correct).length,
    unanswered: all.filter(({ answer: given }) => given === null).length,
    truncated: 0,
    generated: 48,
    policy: POLICY,
  })
  expect(summary.correct).toBeGreaterThan(5)
  const told = (preset: 'guide' | 'trajectory' | 'looper8') => {
    const { comparable, share, shareBeyondLength } = discrimination(
      groups.map((group) => rescore(group, preset)),
      0.01,
    )
    return { comparable, share, share_beyond_length: shareBeyondLength }
  }
  expect(summary.told_apart.trajectory.comparable).toBeGreaterThan(5)
  expect(summary.told_apart).toEqual({
    guide: told('guide'),
    looper8: told('looper8'),
    trajectory: told('trajectory'),
  })
  expect(summary.arms.map(({ correct }) => correct).reduce((a, b) => a + b)).toBe(summary.correct)
  expect((await readManifest(join(folder, 'run')))?.inputs['policy']).toBe('scripted')
})

test('each arm is sampled with its own temperature and top-p, all from the same prompt', async () => {
  const asked: { prompt: string; temperature: number; topP: number }[] = []
  const backend = createScriptedBackend((request, options) => {
    asked.push({ prompt: request.prompt, temperature: options.temperature, topP: options.topP })
    return answer(request, options)
  })
  const { summary, groups } = await run(backend, {
    arms: 3,
    temperature: [0.5, 1, 0.5],
    top_p: [1, 0.9, 0.8],
  })
  const settings = asked.map(({ temperature, topP }) => `${temperature} ${topP}`)
  for (const setting of ['0.5 1', '1 0.9', '0.5 0.8']) {
    expect(settings.filter((each) => each === setting)).toHaveLength(12)
  }
  expect(new Set(asked.map(({ prompt }) => prompt)).size).toBe(12)
  expect(groups.map(({ trajectories }) => trajectories.length)).toEqual(QUESTIONS.map(() => 3))
  expect(summary.arms.map(({ temperature, top_p }) => [temperature, top_p])).toEqual([
    [0.5, 1],
    [1, 0.9],
    [0.5, 0.8],
  ])
  await expect(run(backend, { arms: 3, temperature: [0.5, 1] })).rejects.toThrow(/2 values for 3 arms/)
})

test('after an interruption only what is missing is generated, and the file is the same', async () => {
  const calm = await run(createScriptedBackend(answer))
  const wanted = await readFile(path, 'utf8')
  expect(calm.summary.generated).toBe(48)
  await rm(join(folder, 'run'), { recursive: true })
  await rm(path)

  let left = 4 * 5 + 2
  const failing = createScriptedBackend((request, options) => {
    if (left-- === 0) throw new Error('pulled the plug')
    return answer(request, options)
  })
  await expect(run(failing)).rejects.toThrow('pulled the plug')
  // A kill in the middle of a write leaves a torn line.
  await appendFile(path, wanted.split('\n')[5]!.slice(0, 40))
  const resumed = await run(createScriptedBackend(answer), {}, { resume: true })
  expect(await readFile(path, 'utf8')).toBe(wanted)
  expect(resumed.summary.generated).toBe(4 * 7)
  const ofRecords = ({ summary }: { readonly summary: RolloutsSummary }) => {
    const ofAnAttempt = /^generated|seconds|^tokens_per_second$|^timing$|^throughput$/
    return Object.entries(summary).filter(([name]) => !ofAnAttempt.test(name))
  }
  expect(ofRecords(resumed)).toEqual(ofRecords(calm))

  const again = await run(
    createScriptedBackend(() => {
      throw new Error('a finished stage generates nothing')
    }),
    {},
    { resume: true },
  )
  expect(again.summary).toEqual(resumed.summary)
})

test('a file that another stage wrote is refused, never truncated', async () => {
  await writeFile(path, '{"mine": true}\n')
  await expect(run(createScriptedBackend(answer))).rejects.toMatchObject({ code: 'run_exists' })
  expect(await readFile(path, 'utf8')).toBe('{"mine": true}\n')
})

test('greedy arms are warned about: their answers are identical', async () => {
  const warnings: string[] = []
  const events = (event: RunEvent): void => {
    if (event.type === 'warning') warnings.push(event.message)
  }
  await run(createScriptedBackend(answer), { temperature: 0 }, { events })
  expect(warnings.join()).toMatch(/identical answers/)
})
