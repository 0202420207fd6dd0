import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  finalAnswer,
  grade,
  makeQuestions,
  pairsOf,
  readGsm8k,
  reward,
} from '../../examples/answers-and-rewards.ts'
import {
  decide,
  judgeMany,
  judgeOne,
  judgePlainChain,
  makeProblems,
  readFile as readProblemFile,
} from '../../examples/judge-anything.ts'
import { ownVllm, ownWorkers, scripted, server } from '../../examples/model-servers.ts'
import {
  contextOf,
  oneIteration,
  onQuestions,
  pairsOfTraces,
  readTraces,
  stageSettings,
} from '../../examples/stage-by-stage.ts'
import { advice, configured, follow, leftBy, onMyWorkers, ownSettings } from '../../examples/whole-runs.ts'
import type { ModelBackend, PolicyRef } from '../../src/backends/backend.ts'
import type { TorchBackend } from '../../src/backends/torch/torch.ts'
import { ElenchusError } from '../../src/errors.ts'
import { renderAbelPrompt } from '../../src/prompts/abel.ts'
import { renderProofPrompt } from '../../src/prompts/proof.ts'
import { FakeServer } from '../backends/openai/fake-server.ts'
import { codeOf } from '../backends/conformance.ts'
import { workerPython } from '../bridge/worker-python.ts'
import { compile } from '../support/compiled.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-library-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('examples/judge-anything.ts', () => {
  test('judges one proof, many, and plain chains', () => {
    const { trace, explanation, same } = judgeOne()
    expect([trace.trace_valid, same]).toEqual([true, true])
    expect(explanation).toContain('MODUS_PONENS')
    const record = { premises: ['Every cat is a feline.', 'Max is a cat.'], conclusion: 'Max is a feline.' }
    expect(judgeMany([{ ...record, steps: trace.steps }])).toMatchObject({ traces: 1, valid_traces: 1 })
    const chain = judgePlainChain('Max is a cat. Every cat is a feline. Max is a feline.')
    expect(chain.verdicts.strict).toBe(true)
  })

  test('decides what premises say, and tells what it cannot read', async () => {
    expect(await decide('Max is a feline.')).toBe('proved')
    expect(await decide('Max purrs loudly at night.')).toMatchObject([{ index: 'conclusion' }])
  })

  test('makes and reads problems', () => {
    const { problems, prompt } = makeProblems(4)
    expect(prompt).toContain('Query:')
    const text = problems.map((problem) => JSON.stringify({ ...problem, gold: undefined })).join('\n')
    const read = readProblemFile(text, 'ours')
    expect(read.refused).toBe(0)
    expect(read.problems.map(({ gold }) => gold?.length)).toEqual(problems.map(({ gold }) => gold?.length))
  })
})

test('examples/answers-and-rewards.ts', () => {
  const { questions, prompt } = makeQuestions(3)
  expect(prompt).toContain(questions[0]?.question)
  expect(readGsm8k('{"question": "How many?", "answer": "#### 7"}\n{"question": "?"}')).toMatchObject({
    questions: [{ gold_answer: '7' }],
    issues: [{}],
  })
  expect([finalAnswer('#### 1,234'), finalAnswer('1,234')]).toEqual(['1234', null])
  expect(grade('no answer', '7')).toMatchObject({ correct: false, answered: false })
  for (const preset of ['guide', 'looper8', 'trajectory'] as const) {
    const { scored, same } = reward(preset)
    expect([scored.trajectories.length, same]).toEqual([3, true])
    expect(pairsOf([scored]).report.pairs.correctness).toBe(2)
  }
})

describe('examples/model-servers.ts', () => {
  const answerOf = async (backend: ModelBackend, prompt: string): Promise<string> => {
    await using open = backend
    const policy: PolicyRef = { kind: 'base', fingerprint: (await open.info()).fingerprint }
    const options = { policy, temperature: 0, topP: 1, maxNewTokens: 20, stops: [] }
    let answer = ''
    for await (const { text } of open.generate([{ key: 'a', prompt, seed: 1 }], options)) answer += text
    return answer
  }

  test('a function, a server and a vLLM answer', async () => {
    expect(await answerOf(scripted(), 'hello')).toBe('You said: hello')
    await using fake = await FakeServer.start({ owner: 'other', script: () => 'I am a server.' })
    expect(await answerOf(await server(fake.url, 'fake'), 'hello')).toBe('I am a server.')
    await using compiled = await compile('tests/backends/vllm/fake-vllm.ts')
    process.env['FAKE_VLLM_FACTS'] = join(folder, 'vllm-facts')
    const command: [string, string] = [process.execPath, compiled.script('tests/backends/vllm/fake-vllm.ts')]
    expect(await answerOf(await ownVllm('base', folder, command), 'hello')).not.toBe('')
    delete process.env['FAKE_VLLM_FACTS']
  })
})

describe.skipIf(workerPython === null)('on real workers', { timeout: 300_000 }, () => {
  let backend: TorchBackend
  let base: PolicyRef
  beforeAll(async () => {
    const { problems } = makeProblems(8)
    const { questions } = makeQuestions(8)
    const texts = [
      ...problems.map(renderProofPrompt),
      ...questions.map(({ question }) => renderAbelPrompt(question)),
    ]
    const textsPath = join(folder, 'texts.jsonl')
    await writeFile(textsPath, texts.map((text) => `${JSON.stringify(text)}\n`).join(''))
    const model = join(folder, 'model')
    backend = ownWorkers(model, join(folder, 'logs'), 'cpu')
    await backend.createTinyModel({
      path: model,
      textsPath,
      phrasePatterns: [String.raw` ?\w+`],
      architecture: {
        hidden_size: 32,
        num_layers: 2,
        num_heads: 2,
        intermediate_size: 64,
        max_positions: 512,
        rope_theta: 10_000,
        tie_embeddings: true,
        attention_bias: false,
        initializer_range: 0.02,
      },
      seed: 1,
    })
    base = { kind: 'base', fingerprint: (await backend.info()).fingerprint }
  })
  afterAll(() => backend[Symbol.asyncDispose]())

  test('examples/stage-by-stage.ts: every stage of both pipelines', async () => {
    const stages: string[] = []
    const context = contextOf(backend, (event) => {
      if (event.type === 'stage_finished') stages.push(event.stage)
    })
    const problems = makeProblems(4).problems
    const oak = await oneIteration(context, join(folder, 'oak'), problems, base)
    expect(oak.sft.policy.kind).toBe('adapter')
    expect(oak.dpo).toMatchObject({ pairs: 4 })
    expect(oak.after.policy).toEqual(oak.dpo.policy)
    const traces = await readTraces(join(folder, 'oak/traces/traces.jsonl'))
    expect(traces).toHaveLength(8)
    const { pairs, why, same } = pairsOfTraces(traces)
    expect([pairs, same]).toEqual([[], true])
    expect(why.length).toBeGreaterThan(0)

    const abel = await onQuestions(context, join(folder, 'abel'), makeQuestions(4).questions, base)
    expect(abel.ppo).toMatchObject({ algorithm: 'ppo', questions: 4 })
    expect(abel.rollouts.policy).toEqual(abel.ppo.policy)
    expect(abel.evaluation.metrics.accuracy.value).toBeLessThan(1)
    expect(stages).toHaveLength(8)
  })

  test('examples/whole-runs.ts: both pipelines, on workers of their own and on mine', async () => {
    const oak = await configured(CONFIGS.oak, [`output=${join(folder, 'whole-oak')}`, ...SHORT, ...SHORT_OAK])
    let events = 0
    expect(await follow(oak, () => events++)).toMatchObject({ held_out: 4 })
    expect(events).toBeGreaterThan(10)
    const left = await leftBy(oak.output)
    expect(left).toMatchObject({ finished: true, summary: { held_out: 4 } })
    expect(left.page).toContain('<html')
    await expect(leftBy(oak.output, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'cancelled',
    })

    const abel = await configured(CONFIGS.abel, [
      `output=${join(folder, 'whole-abel')}`,
      ...SHORT,
      ...SHORT_ABEL,
    ])
    const lines: unknown[] = []
    for (const config of [oak, abel]) {
      const { summary, stages } = await onMyWorkers(backend, config, (line: unknown) => lines.push(line))
      expect(summary.held_out).toBe(4)
      expect(stages.length).toBeGreaterThan(2)
    }
    expect(lines.length).toBeGreaterThan(10)
  })
})

const CONFIGS = {
  oak: resolve(import.meta.dirname, '../../configs/tiny.chaos.oak.yaml'),
  abel: resolve(import.meta.dirname, '../../configs/tiny.chaos.abel.yaml'),
}
/** As little as a pipeline can do. */
const SHORT = ['data.train.count=8', 'data.held_out.count=4', 'model.tiny.drill.steps=2', 'dpo.max_steps=1']
const SHORT_OAK = [
  'model.tiny.pretraining={problems: 200, training: {lora: null, max_steps: 60, batch_size: 16, learning_rate: 1.0e-2}}',
  'iterations=1',
  'sft.max_steps=2',
  'controls={more_sft: false, careful_sft: false}',
]
const SHORT_ABEL = [
  'model.tiny.pretraining={problems: 200, training: {lora: null, max_steps: 60, batch_size: 16, learning_rate: 1.0e-2}}',
  'habits.training.max_steps=2',
  'ppo.n_samples=8',
  'rollouts.n_samples=8',
  'evaluation.coherence_samples=0',
]

test('the settings of stages, and what to do about failures', async () => {
  expect(await ownSettings(CONFIGS.oak)).toMatchObject({ pipeline: 'oak' })
  const abel = await ownSettings(CONFIGS.abel)
  expect(stageSettings(abel).rollouts).toMatchObject({ arms: 4 })
  expect(advice(new ElenchusError('worker_died', 'It died.'))).toMatch(
    /^worker_died: .*\(try again; exit 1\)$/,
  )
  expect(await codeOf(configured('/nowhere.yaml', []))).toBe('file_missing')
})

/** Names that a module of the library exports. */
function exportedNames(source: string): string[] {
  const lists = source.matchAll(/^export (?:type )?\{([^}]*)\}/gm)
  return Array.from(lists, ([, list = '']) => list.split(','))
    .flat()
    .map(
      (each) =>
        each
          .trim()
          .replace(/^type /, '')
          .split(' as ')
          .at(-1) ?? '',
    )
    .filter((name) => name !== '')
}

test('every name that the library exports stands in an example, and the examples are run', async () => {
  const root = resolve(import.meta.dirname, '../..')
  const examples = (await readdir(join(root, 'examples'))).filter((name) => name.endsWith('.ts'))
  const tests = (
    await Promise.all(
      ['library', 'fastify-service', 'home-made-backend'].map((name) =>
        readFile(join(import.meta.dirname, `${name}.test.ts`), 'utf8'),
      ),
    )
  ).join('')
  const imported = new Set<string>()
  for (const name of examples) {
    expect(tests).toContain(`examples/${name}'`)
    const text = await readFile(join(root, 'examples', name), 'utf8')
    const lists = text.matchAll(/import (?:type )?\{([^}]*)\} from 'elenchus(?:\/testing)?'/g)
    for (const [, list = ''] of lists)
      for (const each of list.split(',')) imported.add(each.trim().replace(/^type /, ''))
  }
  for (const module of ['src/index.ts', 'src/testing/index.ts']) {
    const names = exportedNames(await readFile(join(root, module), 'utf8'))
    expect(names.length).toBeGreaterThan(2)
    expect(names.filter((name) => !imported.has(name))).toEqual([])
  }
})
