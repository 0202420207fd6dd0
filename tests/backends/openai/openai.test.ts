import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Completion, GenerateOptions } from '../../../src/backends/backend.ts'
import { createOpenAIBackend, type OpenAIBackend } from '../../../src/backends/openai/openai.ts'
import type { OpenAIBackendOptions } from '../../../src/backends/openai/options.ts'
import { ElenchusError } from '../../../src/errors.ts'
import { collect } from '../../../src/testing/expect.ts'
import { codeOf, describeConformance } from '../conformance.ts'
import { type FakeOptions, FakeServer, json } from './fake-server.ts'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]()
})

async function serve(
  fake: Partial<FakeOptions> = {},
  options: Partial<OpenAIBackendOptions> = {},
): Promise<{ server: FakeServer; backend: OpenAIBackend; warnings: string[] }> {
  const server = await FakeServer.start(fake)
  open.push(server)
  const warnings: string[] = []
  const onWarning = (message: string): void => void warnings.push(message)
  const backend = await createOpenAIBackend({ baseUrl: server.url, model: 'fake', onWarning, ...options })
  open.push(backend)
  return { server, backend, warnings }
}

async function run(
  backend: OpenAIBackend,
  changes: Partial<GenerateOptions> = {},
  count = 1,
): Promise<Completion[]> {
  const policy = { kind: 'base', fingerprint: (await backend.info()).fingerprint } as const
  const requests = Array.from({ length: count }, (_, seed) => ({ key: `k${seed}`, prompt: `p${seed}`, seed }))
  const options = { policy, temperature: 1, topP: 1, maxNewTokens: 100, stops: [], ...changes }
  return collect(backend.generate(requests, options))
}

async function failure(action: Promise<unknown>): Promise<ElenchusError> {
  try {
    await action
  } catch (error) {
    if (ElenchusError.is(error)) return error
    throw error
  }
  throw new Error('It did not fail.')
}

describe('conformance', () => {
  const offers = { score: false, train: false, seeds: true }
  for (const owner of ['vllm', 'other']) {
    let server: FakeServer
    let backend: OpenAIBackend
    beforeAll(async () => {
      server = await FakeServer.start({ owner })
      backend = await createOpenAIBackend({ baseUrl: server.url, model: 'fake' })
    })
    afterAll(async () => {
      await backend[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    })
    describeConformance(`openai (${owner})`, offers, () => ({
      backend,
      prompts: ['first', 'second'],
      folder: '',
    }))
  }
})

describe('what is asked', () => {
  test('of vLLM: the prompt as it is, neutral sampling, ids and log-probabilities', async () => {
    const { server, backend } = await serve()
    expect(backend.capabilities).toMatchObject({ tokenIds: true, logprobs: true, adapters: true })
    await run(backend, { temperature: 0.7, topP: 0.9, maxNewTokens: 33 })
    expect(server.generations[0]?.body).toEqual({
      model: 'fake',
      prompt: 'p0',
      max_tokens: 33,
      temperature: 0.7,
      top_p: 0.9,
      seed: 0,
      logprobs: 0,
      top_k: -1,
      min_p: 0,
      repetition_penalty: 1,
      return_token_ids: true,
    })
  })

  test('literal stops are the server’s work where it says which one it was', async () => {
    const { server, backend } = await serve({ owner: 'sglang', script: () => 'an answer\nQuestion: another' })
    const stops = [{ name: 'next', pattern: String.raw`\nQuestion:`, count: 1 }]
    await run(backend, { stops })
    expect(server.generations[0]?.body).toMatchObject({ stop: ['\nQuestion:'], no_stop_trim: true })
    expect(server.abandoned).toBe(0)
  })

  test('vLLM is not given them: it cuts the text inside the token that completes one, and not the ids', async () => {
    const { server, backend } = await serve({ script: () => 'an answer\nQuestion: another', words: true })
    const stops = [{ name: 'line', pattern: String.raw`\n`, count: 1 }]
    const [completion] = await run(backend, { stops })
    expect(server.generations[0]?.body).toMatchObject({ stream: true })
    expect(server.generations[0]?.body).not.toHaveProperty('stop')
    expect(completion).toMatchObject({
      text: 'an answer\nQuestion:',
      numTokens: 2,
      finishReason: 'stop',
      stopName: 'line',
    })
  })

  test('several tokens of an event are told apart although they are listed without their spaces', async () => {
    for (const perEvent of [1, 4, 100]) {
      const { backend } = await serve({ script: () => 'one two. three four. five', words: true, perEvent })
      const stops = [{ name: 'sentence', pattern: String.raw`\.`, count: 1 }]
      const [completion] = await run(backend, { stops })
      expect(completion).toMatchObject({ text: 'one two.', numTokens: 2 })
      expect([...(completion?.ids ?? [])]).toEqual([1003, 1005])
    }
  })

  test('no more tokens than the server’s context has', async () => {
    const { server, backend } = await serve({ contextLength: 100 })
    await run(backend, { maxNewTokens: 5000 })
    await run(backend, { maxNewTokens: 50 })
    expect(server.generations.map(({ body }) => body['max_tokens'])).toEqual([100, 50])
  })

  test('counted stops and patterns are found here, and the request ends there', async () => {
    const long = `${'word '.repeat(3)}.${'never sent '.repeat(2000)}`
    for (const [owner, perEvent] of [
      ['vllm', 1],
      ['vllm', 7],
      ['other', 1],
    ] as const) {
      const { server, backend } = await serve({ owner, perEvent, script: () => long })
      const stops = [{ name: 'third', pattern: String.raw`\w+ `, count: 3 }]
      const [completion] = await run(backend, { stops, maxNewTokens: 100_000 })
      expect(server.generations[0]?.body).toMatchObject({ stream: true })
      expect(completion).toMatchObject({
        text: 'word word word ',
        numTokens: 15,
        finishReason: 'stop',
        stopName: 'third',
      })
      expect(completion?.ids?.length).toBe(owner === 'vllm' ? 15 : undefined)
      while (server.abandoned === 0) await delay(5)
    }
  })

  test('segments end where the worker would end them', async () => {
    const { backend } = await serve({ script: () => 'abc.abcdefgh' })
    const segment = { boundary: String.raw`\.`, maxTokens: 5 }
    expect((await run(backend, { segment }))[0]).toMatchObject({
      text: 'abc.abcde',
      finishReason: 'segment_length',
    })
    // The end of the text counts in no segment.
    expect((await run(backend, { segment: { ...segment, maxTokens: 9 } }))[0]).toMatchObject({
      text: 'abc.abcdefgh',
      numTokens: 13,
      finishReason: 'eos',
    })
  })

  test('chat wraps the prompt, and says so', async () => {
    const { server, backend, warnings } = await serve(
      { owner: 'other', script: () => 'hello' },
      { api: 'chat' },
    )
    expect(await run(backend)).toMatchObject([{ text: 'hello', numTokens: 6, finishReason: 'eos' }])
    expect(server.generations[0]?.path).toBe('/v1/chat/completions')
    expect(server.generations[0]?.body['messages']).toEqual([{ role: 'user', content: 'p0' }])
    expect(warnings.join()).toMatch(/chat API wraps every prompt/)
  })

  test('a field that the server refuses is left out from then on, with a warning', async () => {
    const { server, backend, warnings } = await serve({ refuses: ['seed', 'return_token_ids'] })
    expect(backend.capabilities.tokenIds).toBe(false)
    await run(backend, {}, 3)
    for (const { body } of server.generations) expect(body).not.toHaveProperty('seed')
    expect(warnings).toContainEqual(expect.stringMatching(/does not take "seed": seeds do nothing/))
    expect(warnings).toContainEqual(expect.stringMatching(/gives no token ids/))
  })

  test('log-probabilities of another distribution than the sampled one are left out', async () => {
    const { backend, warnings } = await serve()
    expect((await run(backend))[0]?.logprobs?.[0]).toBe(-0.5)
    expect((await run(backend, { temperature: 0.7 }))[0]).not.toHaveProperty('logprobs')
    expect(warnings.join()).toMatch(/temperature 0.7/)
    const processed = await serve({}, { logprobsOf: 'sampling' })
    expect((await run(processed.backend, { temperature: 0.7 }))[0]?.logprobs?.[0]).toBe(-0.5)
  })

  test('no more at once than allowed, over all calls', async () => {
    const { server, backend } = await serve({ before: () => delay(2).then(() => false) }, { concurrency: 3 })
    const calls = await Promise.all([run(backend, {}, 40), run(backend, {}, 40)])
    expect(calls.map((each) => each.length)).toEqual([40, 40])
    expect(server.busiest).toBe(3)
  })

  test('several servers share the work', async () => {
    const servers = [await FakeServer.start(), await FakeServer.start()]
    open.push(...servers)
    const baseUrl = servers.map(({ url }) => url)
    const backend = await createOpenAIBackend({ baseUrl, model: 'fake', concurrency: 2 })
    open.push(backend)
    expect((await run(backend, {}, 60)).length).toBe(60)
    for (const server of servers) expect(server.generations.length).toBeGreaterThan(5)
  })
})

describe('failures', () => {
  test('nobody there', async () => {
    const server = await FakeServer.start()
    const { url } = server
    await server[Symbol.asyncDispose]()
    const error = await failure(createOpenAIBackend({ baseUrl: url, model: 'fake' }))
    expect(error).toMatchObject({ code: 'http_failed', retryable: true })
    expect(error.message).toMatch(/cannot be reached \(.*ECONNREFUSED/)
    expect(error.hint).toMatch(/Is the server running/)
  })

  test('a wrong model is answered with those that there are', async () => {
    const error = await failure(serve({}, { model: 'fail' }))
    expect(error).toMatchObject({ code: 'http_refused', retryable: false, details: { models: ['fake'] } })
    expect(error.message).toMatch(/has no model "fail"/)
    expect(error.hint).toBe('It serves: fake.')
  })

  test('no such address: the chat API is hinted at', async () => {
    const error = await failure(serve({ before: (_, reply) => (json(reply, 404, {}), true) }))
    expect(error.message).toMatch(/There is no .*\/v1\/completions \(404\)/)
    expect(error.hint).toMatch(/--api chat/)
  })

  test('what is no address', async () => {
    expect(await codeOf(createOpenAIBackend({ baseUrl: 'localhost:8000', model: 'm' }))).toBe('usage')
    expect(await codeOf(createOpenAIBackend({ baseUrl: 'nonsense', model: 'm' }))).toBe('usage')
  })

  test('access refused: the variable is named, the key is nowhere', async () => {
    process.env['FAKE_KEY'] = 'sk-secret-0001'
    try {
      const before: FakeOptions['before'] = ({ headers }, reply) => (
        json(reply, 401, { error: { message: `bad key: ${headers.authorization ?? 'none'}` } }),
        true
      )
      const error = await failure(serve({ before }, { apiKeyVariable: 'FAKE_KEY' }))
      expect(error.message).toMatch(/refuses access \(401\): bad key: Bearer \*\*\*/)
      expect(error.hint).toMatch(/FAKE_KEY is not the server/)
      const dump = JSON.stringify([
        error.message,
        error.hint,
        error.details,
        error.stack,
        String(error.cause),
      ])
      expect(dump).not.toContain('secret')
      const none = await failure(serve({ before }, { apiKeyVariable: 'NO_KEY' }))
      expect(none.hint).toBe("Set NO_KEY to the server's key.")
    } finally {
      delete process.env['FAKE_KEY']
    }
  })

  test('a refusal shows what the server says, and is not repeated', async () => {
    const { server, backend } = await serve({
      before: ({ body }, reply) =>
        body['max_tokens'] !== 1 && (json(reply, 400, { error: { message: 'top_p is odd' } }), true),
    })
    const error = await failure(run(backend))
    expect(error).toMatchObject({ code: 'http_refused', details: { status: 400 } })
    expect(error.message).toMatch(/refuses the request \(400\): top_p is odd/)
    expect(server.generations.length).toBe(1)
  })

  test('what may pass is tried again, as late as the server asks', async () => {
    const times: number[] = []
    const { backend, server } = await serve({
      before: ({ body }, reply, count) => {
        if (body['max_tokens'] === 1 || count > 3) return false
        times.push(performance.now())
        if (count === 1) reply.setHeader('retry-after', '1')
        json(reply, [429, 503, 500][count - 1] ?? 500, { error: 'busy' })
        return true
      },
    })
    expect((await run(backend)).length).toBe(1)
    expect(server.generations.length).toBe(4)
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(990)
  })

  test('after the last attempt the failure is told', async () => {
    const { backend, server } = await serve(
      {
        before: ({ body }, reply) => body['max_tokens'] !== 1 && (json(reply, 429, { detail: 'full' }), true),
      },
      { retries: 1 },
    )
    const error = await failure(run(backend))
    expect(error).toMatchObject({ code: 'http_failed', retryable: true })
    expect(error.hint).toMatch(/lower --concurrency/)
    expect(server.generations.length).toBe(2)
  })

  const BROKEN: Record<string, (reply: import('node:http').ServerResponse) => void> = {
    'a stream that is none': (reply) => void reply.end('<html>proxy error</html>\n'),
    'a document that is none': (reply) => void reply.end('data: {"choices": [\n\n'),
    'a stream that breaks off': (reply) => {
      reply.write('data: {"choices":[{"text":"a","finish_reason":null}]}\n\n')
      setTimeout(() => reply.destroy(), 20)
    },
    'a stream that ends without a reason': (reply) => void reply.end('data: [DONE]\n\n'),
    'a failure inside a stream': (reply) => void reply.end('data: {"error": "CUDA out of memory"}\n\n'),
  }
  for (const [name, answer] of Object.entries(BROKEN)) {
    test(`${name} is a failure, and the next attempt may be better`, async () => {
      const { backend, server } = await serve({
        script: () => 'fine',
        before: ({ body }, reply, count) => {
          if (body['max_tokens'] === 1 || count > 1) return false
          answer(reply)
          return true
        },
      })
      const stops = [{ name: 'z', pattern: 'z+', count: 1 }]
      expect(await run(backend, { stops })).toMatchObject([{ text: 'fine', finishReason: 'eos' }])
      expect(server.generations.length).toBe(2)
    })
  }

  test('a prompt that is too long is an outcome, not a failure', async () => {
    const message = "This model's maximum context length is 10 tokens."
    const { backend } = await serve({
      before: ({ body }, reply) =>
        body['prompt'] === 'p1' && (json(reply, 400, { error: { message } }), true),
    })
    const reasons = (await run(backend, {}, 3)).map(({ key, finishReason }) => `${key} ${finishReason}`)
    expect(reasons.sort()).toEqual(['k0 eos', 'k1 prompt_too_long', 'k2 eos'])
  })

  test('an abort ends requests that are under way and waits', async () => {
    const { backend, server } = await serve({
      before: async ({ body }) => {
        if (body['max_tokens'] !== 1) await delay(60_000, undefined, { ref: false })
        return false
      },
    })
    const controller = new AbortController()
    const running = run(backend, { signal: controller.signal }, 5)
    while (server.generations.length < 5) await delay(5)
    controller.abort()
    expect(await codeOf(running)).toBe('cancelled')
    while (server.abandoned < 5) await delay(5)
  })

  test('a server that falls silent has failed', async () => {
    const { backend } = await serve(
      { before: ({ body }) => body['max_tokens'] !== 1 },
      { idleMs: 100, retries: 0 },
    )
    expect((await failure(run(backend))).message).toMatch(/no sign of life for 0.1 s/)
  })
})

describe('adapters on vLLM', () => {
  let folder: string
  beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'elenchus-adapters-'))))
  afterAll(() => rm(folder, { recursive: true, force: true }))

  async function adapter(name: string): Promise<string> {
    const path = join(folder, name)
    await mkdir(path, { recursive: true })
    await writeFile(join(path, 'adapter_model.safetensors'), `weights of ${name}`)
    return path
  }

  test('are loaded from their folder under a name of their weights, once, and unloaded again', async () => {
    const { backend, server } = await serve()
    const names = ['a', 'b', 'c', 'd', 'e']
    const policies = await Promise.all(names.map(async (name) => backend.adapterPolicy(await adapter(name))))
    for (const policy of policies) await run(backend, { policy }, 3)
    const loads = server.seen.filter(({ path }) => path === '/v1/load_lora_adapter')
    expect(loads.map(({ body }) => body['lora_path'])).toEqual(names.map((name) => join(folder, name)))
    expect(server.generations[0]?.body['model']).toBe(`elenchus-${policies[0]?.fingerprint.slice(0, 16)}`)
    expect(server.adapters.size).toBe(4)
  })

  test('that the server has forgotten are loaded again', async () => {
    const { backend, server } = await serve()
    const policy = await backend.adapterPolicy(await adapter('a'))
    await run(backend, { policy })
    server.adapters.clear()
    expect((await run(backend, { policy })).length).toBe(1)
  })

  test('that an earlier run has loaded are used', async () => {
    const { backend, server } = await serve()
    const policy = await backend.adapterPolicy(await adapter('a'))
    server.adapters.set(`elenchus-${policy.fingerprint.slice(0, 16)}`, '')
    expect((await run(backend, { policy })).length).toBe(1)
  })

  test('whose files are others by now are refused, and so are those of other servers', async () => {
    const { backend } = await serve()
    const path = await adapter('a')
    const policy = await backend.adapterPolicy(path)
    await writeFile(join(path, 'adapter_model.safetensors'), 'others')
    expect(await codeOf(run(backend, { policy }))).toBe('stale_policy')
    const other = await serve({ owner: 'library' })
    expect(other.backend.capabilities.adapters).toBe(false)
    const good = await other.backend.adapterPolicy(path)
    expect(await codeOf(run(other.backend, { policy: good }))).toBe('capability_missing')
  })
})
