import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ModelBackend, PolicyRef } from '../../src/backends/backend.ts'
import { requireGeneration, requireTraining } from '../../src/backends/context.ts'
import { createScriptedBackend } from '../../src/backends/scripted.ts'
import { evaluationSchema } from '../../src/config/evaluation.ts'
import { questionEvaluationSchema } from '../../src/config/evaluation-questions.ts'
import { rolloutsSchema } from '../../src/config/rollouts.ts'
import { tracesSchema } from '../../src/config/traces.ts'
import { runQuestionEvaluation } from '../../src/evaluation/questions-stage.ts'
import { runEvaluation } from '../../src/evaluation/stage.ts'
import { runRollouts } from '../../src/rollouts/stage.ts'
import { runTraces } from '../../src/traces/stage.ts'

const scripted = createScriptedBackend(() => 'text')

/** As somebody would bring it whose code was written for another release. */
function ofSpecification(specification: unknown, capabilities: Partial<ModelBackend['capabilities']> = {}) {
  const backend = { ...scripted, name: 'old', capabilities: { ...scripted.capabilities, ...capabilities } }
  Reflect.set(backend, 'specification', specification)
  return backend
}

test('a backend of another specification is refused by name, before its capabilities are looked at', () => {
  expect(() => requireGeneration(scripted, 'traces')).not.toThrow()
  const message = 'the backend "old" is of specification "v0", and this release needs "v1"'
  expect(() => requireGeneration(ofSpecification('v0'), 'traces')).toThrow(`traces: ${message}`)
  expect(() => requireTraining(ofSpecification('v0'), 'sft')).toThrow(`sft: ${message}`)
  expect(() => requireTraining(ofSpecification(undefined), 'sft')).toThrow('of specification (none)')
  expect(() => requireTraining(scripted, 'sft')).toThrow('sft: the backend "scripted" cannot train.')
  expect(() => requireGeneration(ofSpecification('v1', { generate: false }), 'traces')).toThrow(
    'cannot generate',
  )
})

describe('every stage that generates refuses it before it has made anything', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'elenchus-context-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const policy: PolicyRef = { kind: 'base', fingerprint: 'scripted' }
  const limits = { temperature: 0, max_steps: 2, max_thought_tokens: 10 }
  test.each([
    ['traces', runTraces, { config: tracesSchema.parse(limits), problems: [] }],
    ['evaluation', runEvaluation, { config: evaluationSchema.parse(limits), problems: [] }],
    ['rollouts', runRollouts, { config: rolloutsSchema.parse({}), questions: [] }],
    ['questions', runQuestionEvaluation, { config: questionEvaluationSchema.parse({}), questions: [] }],
  ])('%s', async (name, stage, input) => {
    const context = { backend: ofSpecification('v0'), events: () => undefined, resume: false }
    const dir = join(folder, name)
    const whole = { ...input, dir, path: join(dir, 'rows.jsonl'), seed: 1, policy }
    // Each gets what it takes, and more; their types differ.
    const run = stage as (context: unknown, input: unknown) => Promise<unknown>
    await expect(run(context, whole)).rejects.toMatchObject({ code: 'capability_missing' })
    expect(await readdir(folder)).toEqual([])
  })
})
