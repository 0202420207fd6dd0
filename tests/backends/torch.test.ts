import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PolicyRef } from '../../src/backends/backend.ts'
import { throughputOf } from '../../src/backends/throughput.ts'
import { createTorchBackend, type TorchBackend } from '../../src/backends/torch/torch.ts'
import { spawnLauncher } from '../../src/bridge/launchers/spawn.ts'
import { workerPython } from '../bridge/worker-python.ts'
import { codeOf, describeConformance } from './conformance.ts'

const TEXTS = ['Every wumpus is a tumpus. Max is a wumpus.', 'abc abc abc']
const ARCHITECTURE = {
  hidden_size: 32,
  num_layers: 2,
  num_heads: 4,
  intermediate_size: 64,
  max_positions: 128,
  rope_theta: 100,
  tie_embeddings: true,
  attention_bias: false,
  initializer_range: 0.1,
}

/** The real worker with a model made on the spot: no download, some seconds. */
describe.skipIf(workerPython === null)('torch', () => {
  const folder = mkdtempSync('/tmp/et-')
  const model = join(folder, 'model')
  let backend: TorchBackend
  let made: { vocabSize: number; firstPhraseId: number }

  beforeAll(async () => {
    backend = createTorchBackend({
      model,
      dtype: 'float32',
      engine: 'auto',
      deterministic: true,
      trustRemoteCode: false,
      launcher: spawnLauncher({ devices: 'cpu', threads: 1 }),
      logDirectory: join(folder, 'logs'),
    })
    const textsPath = join(folder, 'texts.jsonl')
    writeFileSync(textsPath, TEXTS.map((text) => `${JSON.stringify(text)}\n`).join(''))
    const phrasePatterns = [String.raw`Every \w+`, String.raw`is a \w+`]
    made = await backend.createTinyModel({
      path: model,
      textsPath,
      phrasePatterns,
      architecture: ARCHITECTURE,
      seed: 1,
    })
  })
  afterAll(async () => {
    await backend[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  describeConformance('torch', { score: true, train: true, seeds: true }, () => ({
    backend,
    prompts: ['Every wumpus is', 'Max'],
    folder,
  }))

  test('a tiny model has a token for every distinct phrase, behind bytes and special tokens', () => {
    // "Every wumpus", "is a tumpus", "is a wumpus"
    expect(made.vocabSize - made.firstPhraseId).toBe(3)
    expect(existsSync(join(model, '.tokenizer'))).toBe(false)
  })

  const base = async (): Promise<PolicyRef> => ({
    kind: 'base',
    fingerprint: (await backend.info()).fingerprint,
  })
  const scoreOf = async (policy: PolicyRef): Promise<number> => {
    const scores = await backend.score([{ prompt: 'Max', ids: Int32Array.of(97, 98, 99) }], { policy })
    return scores[0]?.sum ?? Number.NaN
  }
  const train = async (kind: 'full' | 'adapter', path: string): Promise<PolicyRef> => {
    const lora = { rank: 4, alpha: 8, dropout: 0, targetModules: 'all-linear' } as const
    await using session = await backend.openTraining({
      algorithm: 'sft',
      target: kind === 'full' ? { kind } : { kind: 'new-adapter', lora },
      optimizer: { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
      microBatchTokens: 4096,
      gradientCheckpointing: false,
      seed: 1,
    })
    const examples = [{ prompt: 'Max', completion: 'abc' }]
    await session.step({ step: 1, learningRate: 0.01, batch: { kind: 'sft', examples, maxLength: 64 } })
    const rows = [{ ids: Int32Array.of(97, 98, 99), targets: Uint8Array.of(0, 1, 1) }]
    await session.step({ step: 2, learningRate: 0.01, batch: { kind: 'tokens', rows } })
    return await session.save(path)
  }

  test('what was done within a stretch is counted by kind, in tokens and FLOP, and has no peak on a CPU', async () => {
    const policy = await base()
    const before = backend.usage()
    const requests = [0, 1, 2].map((seed) => ({ key: String(seed), prompt: 'Max', seed }))
    const options = { policy, temperature: 1, topP: 1, maxNewTokens: 6, stops: [] }
    let generated = 0
    for await (const { numTokens } of backend.generate(requests, options)) generated += numTokens
    await scoreOf(policy)
    await train('adapter', join(folder, 'counted'))
    const found = throughputOf(before, backend.usage())
    expect(found).toMatchObject({ device: 'cpu', devices: 1, dtype: 'float32', peak_flops: null, mfu: null })
    expect(found?.generated?.tokens).toBe(generated)
    expect(found?.scored?.tokens).toBe(3)
    expect(found?.trained?.tokens).toBeGreaterThan(0)
    const { numParameters = 0 } = await backend.info()
    // Tied, so every weight is multiplied with: the layers by 5 tokens, the output matrix by 3.
    expect(found?.scored?.flop).toBeGreaterThan(2 * numParameters * 3)
    expect(found?.scored?.flop).toBeLessThan(2 * numParameters * 5)
    for (const kind of ['generated', 'trained', 'scored'] as const) {
      expect(found?.[kind]?.tokens_per_second).toBeGreaterThan(0)
      expect(found?.[kind]?.mfu).toBeNull()
    }
  })

  test('more adapters than are kept loaded can be used in turn', async () => {
    const policies: PolicyRef[] = []
    for (let index = 0; index < 6; index += 1)
      policies.push(await train('adapter', join(folder, `a${index}`)))
    const first = await scoreOf(policies[0] ?? (await base()))
    for (const policy of policies) await scoreOf(policy)
    const [worker] = await backend.stats()
    expect(worker?.adapters.length).toBeLessThanOrEqual(4)
    expect(await scoreOf(policies[0] ?? (await base()))).toBe(first)
  })

  test('a policy whose files have changed is refused', async () => {
    const policy = await train('adapter', join(folder, 'changing'))
    expect(await codeOf(scoreOf({ ...policy, fingerprint: 'of before' }))).toBe('stale_policy')
    expect(await backend.adapterPolicy(join(folder, 'changing'))).toEqual(policy)
    expect(await codeOf(backend.adapterPolicy(join(folder, 'nowhere')))).toBe('model_load_failed')
    expect(await scoreOf(policy)).toBeLessThan(0)
  })

  test('a merged model answers as base and adapter do', async () => {
    const policy = await train('adapter', join(folder, 'to-merge'))
    const [separate, alone] = [await scoreOf(policy), await scoreOf(await base())]
    const merged = await backend.saveMerged(policy, join(folder, 'merged'))
    expect(await scoreOf(await base())).toBe(alone)
    await backend.switchModel(join(folder, 'merged'))
    expect(await base()).toEqual(merged)
    expect(await scoreOf(merged)).toBeCloseTo(separate, 3)
    await backend.switchModel(model)
    expect(await scoreOf(await base())).toBe(alone)
  })

  test('all weights trained: what is saved is the base from then on, and what is not saved is gone', async () => {
    const before = await base()
    const alone = await scoreOf(before)
    const saved = await train('full', join(folder, 'full'))
    expect(saved.kind).toBe('base')
    expect(await base()).toEqual(saved)
    expect(await scoreOf(saved)).toBeGreaterThan(alone)
    expect(await codeOf(scoreOf(before))).toBe('stale_policy')
    await backend.switchModel(model)
    {
      await using session = await backend.openTraining({
        algorithm: 'sft',
        target: { kind: 'full' },
        optimizer: { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
        microBatchTokens: 4096,
        gradientCheckpointing: false,
        seed: 1,
      })
      const examples = [{ prompt: 'Max', completion: 'abc' }]
      await session.step({ step: 1, learningRate: 0.01, batch: { kind: 'sft', examples, maxLength: 64 } })
    }
    expect(await scoreOf(await base())).toBe(alone)
  })

  test('a worker killed in the middle of generating is started again, and the texts are the same', async () => {
    const requests = Array.from({ length: 64 }, (_, seed) => ({ key: `k${seed}`, prompt: 'Max', seed }))
    const options = { policy: await base(), temperature: 1, topP: 1, maxNewTokens: 100, stops: [] }
    const texts = async (kill: boolean): Promise<Map<string, string>> => {
      const [worker] = await backend.stats()
      const found = new Map<string, string>()
      for await (const { key, text } of backend.generate(requests, options)) {
        if (kill && found.size === 0) process.kill(worker?.pid ?? 0, 'SIGKILL')
        expect(found.has(key)).toBe(false)
        found.set(key, text)
      }
      return found
    }
    const undisturbed = await texts(false)
    expect(await texts(true)).toEqual(undisturbed)
    expect(existsSync(join(folder, 'logs', 'worker-0.1.log'))).toBe(true)
  })
})
