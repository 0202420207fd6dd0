import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { GenerateOptions } from '../../../src/backends/backend.ts'
import { createTorchBackend } from '../../../src/backends/torch/torch.ts'
import { spawnLauncher } from '../../../src/bridge/launchers/spawn.ts'
import { EOS, type FakeCompletion, type FakeOptions } from '../openai/fake-server.ts'

/** Completions by a model in a folder, and adapters on it, as one of our own workers samples them. */
export async function realModel(model: string): Promise<NonNullable<FakeOptions['complete']>> {
  const textOf = await tokenTexts(model)
  const backend = createTorchBackend({
    model,
    dtype: 'float32',
    engine: 'auto',
    deterministic: true,
    trustRemoteCode: false,
    threads: 1,
    launcher: spawnLauncher({ devices: 'cpu', threads: 1 }),
    logDirectory: process.env['FAKE_VLLM_LOGS'] ?? '/tmp',
  })
  const { fingerprint } = await backend.info()
  const base = { kind: 'base', fingerprint } as const
  const slowness = Number(process.env['FAKE_VLLM_SLOW_MS'] ?? 0)
  return async ({ body }, adapter): Promise<FakeCompletion> => {
    const options: GenerateOptions = {
      policy: adapter === undefined ? base : await backend.adapterPolicy(adapter),
      temperature: Number(body['temperature']),
      topP: Number(body['top_p']),
      maxNewTokens: Number(body['max_tokens']),
      stops: [],
    }
    const request = { key: '', prompt: String(body['prompt']), seed: Number(body['seed']) }
    await delay(slowness)
    for await (const completion of backend.generate([request], options)) {
      const { ids = [], logprobs = [], finishReason, promptTokens = 0 } = completion
      const pieces = [...ids].map((id, index) => ({ text: textOf(id), id, logprob: logprobs[index] ?? 0 }))
      return { promptTokens, pieces, finish: finishReason === 'eos' ? 'stop' : 'length', stop: null }
    }
    throw new Error('no completion')
  }
}

/** What each token of a tokenizer made on the spot stands for: a byte, or a phrase. */
async function tokenTexts(model: string): Promise<(id: number) => string> {
  const tokenizer = JSON.parse(await readFile(join(model, 'tokenizer.json'), 'utf8')) as {
    added_tokens: { id: number; content: string }[]
    model: { vocab: Record<string, number> }
  }
  const texts = new Map<number, string>()
  for (const [symbol, id] of Object.entries(tokenizer.model.vocab)) {
    // Bytes that cannot be printed are moved behind all others, in their order; half a character is none.
    const code = symbol.codePointAt(0) ?? 0
    const byte = code >= 0x100 && code <= 0x120 ? code - 0x100 : code
    texts.set(id, byte < 0x80 ? String.fromCodePoint(byte) : '\ufffd')
  }
  for (const { id, content } of tokenizer.added_tokens) texts.set(id, content)
  texts.set(EOS, '')
  return (id) => texts.get(id) ?? ''
}
