import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { AlternatingBackend } from '../../src/backends/alternating.ts'
import type { BackendInfo, ModelBackend, TrainingOptions } from '../../src/backends/backend.ts'
import { createScriptedBackend } from '../../src/backends/scripted.ts'
import { createTorchBackend, type TorchBackend } from '../../src/backends/torch/torch.ts'
import { collect } from '../../src/testing/expect.ts'
import { fixtureLauncher } from '../bridge/harness.ts'
import { codeOf } from './conformance.ts'

const folder = mkdtempSync(join(tmpdir(), 'elenchus-alternating-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const TRAINING: TrainingOptions = {
  algorithm: 'sft',
  target: { kind: 'full' },
  optimizer: { betas: [0.9, 0.99], eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
  microBatchTokens: 100,
  gradientCheckpointing: false,
  seed: 1,
}
const POLICY = { kind: 'base', fingerprint: 'scripted' } as const
const SCORING = { policy: POLICY }

/** Both sides write down what becomes of them. */
function pair(sharesDevices: boolean): { backend: AlternatingBackend; story: string[] } {
  const story: string[] = []
  let model = 'first'
  const tell = <Result>(what: string, result?: Result): Promise<Result | undefined> => {
    story.push(what)
    return Promise.resolve(result)
  }
  const usage = { startSeconds: 1, requestSeconds: 2, workerSeconds: 3, meanWorkerSeconds: 4 }
  // Only what is called of it.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const trainer = {
    capabilities: {
      generate: true,
      score: true,
      train: true,
      tokenIds: true,
      logprobs: true,
      adapters: true,
    },
    info: () =>
      tell(`info of ${model}`, { model, fingerprint: `hash of ${model}`, device: 'd', versions: {} }),
    score: () => tell('score', []),
    openTraining: () =>
      tell('train', { step: () => tell('step'), [Symbol.asyncDispose]: () => tell('trained') }),
    switchModel: (name: string) => tell(`load ${(model = name)}`),
    release: () => tell('release'),
    usage: () => usage,
    [Symbol.asyncDispose]: () => tell('trainer closed'),
  } as unknown as TorchBackend
  const openSampler = ({ model: name, fingerprint }: BackendInfo): Promise<ModelBackend> => {
    story.push(`vllm with ${name} (${fingerprint})`)
    const scripted = createScriptedBackend(() => 'text')
    return Promise.resolve({
      ...scripted,
      usage: () => usage,
      [Symbol.asyncDispose]: () => tell('vllm ended').then(() => undefined),
    })
  }
  const backend = new AlternatingBackend({ trainer, openSampler, model: 'first', sharesDevices })
  return { backend, story }
}

const sample = (backend: AlternatingBackend): Promise<unknown> =>
  collect(
    backend.generate([{ key: 'a', prompt: 'p', seed: 1 }], {
      policy: POLICY,
      temperature: 1,
      topP: 1,
      maxNewTokens: 9,
      stops: [],
    }),
  )

describe('on the same devices', () => {
  test('either side has ended before the other starts, and stays while it is its turn', async () => {
    const { backend, story } = pair(true)
    await backend.info()
    await sample(backend)
    await Promise.all([sample(backend), sample(backend)])
    await backend.score([], SCORING)
    await sample(backend)
    await backend[Symbol.asyncDispose]()
    const vllm = 'vllm with first (hash of first)'
    expect(story).toEqual([
      'info of first',
      'release',
      vllm,
      'vllm ended',
      'score',
      'release',
      vllm,
      'vllm ended',
      'trainer closed',
    ])
  })

  test('another model is loaded by whoever needs it; a folder’s weights are looked at without the trainer', async () => {
    const { backend, story } = pair(true)
    await backend.info()
    await sample(backend)
    writeFileSync(join(folder, 'model.safetensors'), 'weights')
    await backend.switchModel(folder)
    await sample(backend)
    await backend.switchModel('hub/name')
    await sample(backend)
    await backend.score([], SCORING)
    expect(story).toEqual([
      'info of first',
      'release',
      'vllm with first (hash of first)',
      'vllm ended',
      'release',
      expect.stringMatching(/^vllm with .*elenchus-alternating-\w+ \([0-9a-f]{64}\)$/),
      'vllm ended',
      'load hub/name',
      'info of hub/name',
      'release',
      'vllm with hub/name (hash of hub/name)',
      'vllm ended',
      'score',
    ])
    await backend[Symbol.asyncDispose]()
  })

  test('sampling beside an open training would need both at once: refused, not waited for', async () => {
    const { backend } = pair(true)
    {
      await using _ = await backend.openTraining(TRAINING)
      expect(await codeOf(sample(backend))).toBe('bad_request')
    }
    await sample(backend)
    const half = backend.generate([{ key: 'a', prompt: 'p', seed: 1 }], {
      policy: POLICY,
      temperature: 1,
      topP: 1,
      maxNewTokens: 9,
      stops: [],
    })
    await half.next()
    expect(await codeOf(backend.score([], SCORING))).toBe('bad_request')
    await half.return()
    await backend.score([], SCORING)
    await backend[Symbol.asyncDispose]()
  })

  test('its usage is that of both, the ended ones included', async () => {
    const { backend } = pair(true)
    await sample(backend)
    await backend.score([], SCORING)
    await sample(backend)
    expect(backend.usage()).toMatchObject({ startSeconds: 3, requestSeconds: 6 })
    await backend[Symbol.asyncDispose]()
  })
})

test('on devices of its own vLLM stays while torch works, and nothing is refused', async () => {
  const { backend, story } = pair(false)
  {
    await using _ = await backend.openTraining(TRAINING)
    await sample(backend)
  }
  await backend.score([], SCORING)
  await sample(backend)
  await backend[Symbol.asyncDispose]()
  expect(story).toEqual([
    'train',
    'info of first',
    'vllm with first (hash of first)',
    'trained',
    'score',
    'vllm ended',
    'trainer closed',
  ])
})

test('workers that were released start again with what is asked for, and their work still counts', async () => {
  await using backend = createTorchBackend({
    model: 'm',
    dtype: 'auto',
    engine: 'auto',
    deterministic: false,
    trustRemoteCode: false,
    launcher: fixtureLauncher('answers'),
    ranks: 2,
    logDirectory: join(folder, 'logs'),
  })
  const policy = { kind: 'adapter', path: 'a', fingerprint: 'weights of a' } as const
  const options = { policy, temperature: 1, topP: 1, maxNewTokens: 8, stops: [] }
  const requests = [{ key: 'k', prompt: 'p', seed: 1 }]
  await backend.release()
  const first = await collect(backend.generate(requests, options))
  const { startSeconds } = backend.usage()
  await backend.release()
  expect(backend.usage().startSeconds).toBe(startSeconds)
  expect(await collect(backend.generate(requests, options))).toEqual(first)
  expect(backend.usage().startSeconds).toBeGreaterThan(startSeconds)
})
