import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { GenerateOptions } from '../../../src/backends/backend.ts'
import { createTorchBackend } from '../../../src/backends/torch/torch.ts'
import { spawnLauncher } from '../../../src/bridge/launchers/spawn.ts'
import { EOS, type FakeCompletion, type FakeOptions } from '../openai/fake-server.ts'

/** Completions by a model in a folder, and adapters on it, as one of our own workers samples them. */
export async function realModel(model: string): Promise<NonNullable<FakeOptions['complete']>> {
  const bytesOf = await tokenBytes(model)
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
      const texts = growth(Array.from(ids, bytesOf))
      const pieces = Array.from(ids, (id, index) => {
        return { text: texts[index] ?? '', id, logprob: logprobs[index] ?? 0 }
      })
      return { promptTokens, pieces, finish: finishReason === 'eos' ? 'stop' : 'length', stop: null }
    }
    throw new Error('no completion')
  }
}

/** What each token of a tokenizer made on the spot stands for: bytes, or a phrase. */
async function tokenBytes(model: string): Promise<(id: number) => Buffer> {
  const tokenizer = JSON.parse(await readFile(join(model, 'tokenizer.json'), 'utf8')) as {
    added_tokens: { id: number; content: string }[]
    model: { vocab: Record<string, number> }
  }
  const bytes = new Map<number, Buffer>()
  for (const [symbols, id] of Object.entries(tokenizer.model.vocab)) {
    bytes.set(id, Buffer.from(Array.from(symbols, (symbol) => byteOf(symbol.codePointAt(0) ?? 0))))
  }
  for (const { id, content } of tokenizer.added_tokens) bytes.set(id, Buffer.from(content))
  bytes.set(EOS, Buffer.alloc(0))
  return (id) => bytes.get(id) ?? Buffer.alloc(0)
}

const UNPRINTABLE = [...range(0, 0x20), ...range(0x7f, 0xa0), 0xad]

/** Bytes that cannot be printed are moved behind all others, in their order (GPT-2's alphabet). */
function byteOf(symbol: number): number {
  return symbol < 0x100 ? symbol : (UNPRINTABLE[symbol - 0x100] ?? 0)
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, offset) => from + offset)
}

/** What each token adds to the text: nothing while a character is not whole, as vLLM does it. */
function growth(tokens: readonly Buffer[]): string[] {
  const decoder = new TextDecoder()
  const added = tokens.map((bytes) => decoder.decode(bytes, { stream: true }))
  const rest = decoder.decode()
  return added.map((text, index) => (index === added.length - 1 ? text + rest : text))
}
