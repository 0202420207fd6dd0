import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Rng, deriveSeed } from '../../../src/random.ts'

/** A request as the server got it. */
export interface Seen {
  readonly path: string
  readonly body: Record<string, unknown>
  readonly headers: IncomingMessage['headers']
}

export interface FakeOptions {
  /** `owned_by` of its model list; vllm gives token ids and log-probabilities. */
  readonly owner: string
  /** The whole answer to a prompt; a model that draws letters by the seed if absent, or if it knows none. */
  readonly script?: (seen: Seen) => string | undefined
  /** The whole completion, by a real model for example. */
  readonly complete?: (seen: Seen, adapter: string | undefined) => Promise<FakeCompletion>
  /** Called first for every request that generates; true if it has answered itself. */
  readonly before?: (seen: Seen, reply: ServerResponse, count: number) => boolean | Promise<boolean>
  /** Fields that it refuses as unexpected. */
  readonly refuses?: readonly string[]
  /** The name of its model. @default 'fake' */
  readonly model?: string
  /** @default any */
  readonly port?: number
  /** Token pieces per event of a stream. */
  readonly perEvent?: number
  /** Words with the space before them are tokens, told without it, as by a SentencePiece vocabulary. */
  readonly words?: boolean
  /** Tokens of prompt and completion together; it refuses to be asked for more. */
  readonly contextLength?: number
  /** The key that it wants. */
  readonly key?: string | undefined
}

export const EOS = 256

/** A small server with the manners of vLLM (or of others) whose tokens are characters. */
export class FakeServer implements AsyncDisposable {
  readonly seen: Seen[] = []
  /** Folders by name. */
  readonly adapters = new Map<string, string>()
  /** Completions that were under way at once, at most. */
  busiest = 0
  /** Streams that their reader left. */
  abandoned = 0
  readonly #options: FakeOptions
  readonly #server = createServer((request, reply) => void this.#handle(request, reply))
  #busy = 0

  private constructor(options: FakeOptions) {
    this.#options = options
  }

  static async start(options: Partial<FakeOptions> = {}): Promise<FakeServer> {
    const fake = new FakeServer({ owner: 'vllm', ...options })
    await new Promise<void>((resolve) => fake.#server.listen(options.port ?? 0, '127.0.0.1', resolve))
    return fake
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`
  }

  /** Requests that generated, but for the one that a backend introduces itself with. */
  get generations(): Seen[] {
    return this.seen.filter(({ path, body }) => path.endsWith('completions') && body['max_tokens'] !== 1)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #handle(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part)
    const text = Buffer.concat(parts).toString()
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
    const path = request.url ?? ''
    const seen: Seen = { path, body, headers: request.headers }
    this.seen.push(seen)
    const { owner, key } = this.#options
    if (key !== undefined && path.startsWith('/v1') && request.headers.authorization !== `Bearer ${key}`) {
      return json(reply, 401, { error: 'Unauthorized' })
    }
    if (path === '/v1/models') {
      return json(reply, 200, {
        object: 'list',
        data: [
          {
            id: this.#options.model ?? 'fake',
            object: 'model',
            owned_by: owner,
            max_model_len: this.#options.contextLength,
          },
        ],
      })
    }
    if (path === '/health') return json(reply, 200, {})
    if (path === '/v1/load_lora_adapter' && owner === 'vllm') {
      const name = String(body['lora_name'])
      if (this.adapters.has(name)) {
        return json(reply, 400, { error: { message: `The lora adapter '${name}' has already been loaded.` } })
      }
      this.adapters.set(name, String(body['lora_path']))
      return void reply.end('Success: LoRA adapter added successfully.')
    }
    if (path === '/v1/unload_lora_adapter' && owner === 'vllm') {
      this.adapters.delete(String(body['lora_name']))
      return void reply.end('Success: LoRA adapter removed successfully.')
    }
    if (path !== '/v1/completions' && path !== '/v1/chat/completions') {
      return json(reply, 404, { detail: 'Not Found' })
    }
    this.#busy += 1
    this.busiest = Math.max(this.busiest, this.#busy)
    reply.once('close', () => {
      this.#busy -= 1
      if (!reply.writableFinished) this.abandoned += 1
    })
    if ((await this.#options.before?.(seen, reply, this.generations.length)) === true) return
    await this.#complete(seen, reply)
  }

  async #complete(seen: Seen, reply: ServerResponse): Promise<void> {
    const { body, path } = seen
    const { owner, refuses = [], perEvent = 1, words = false, contextLength = Infinity } = this.#options
    const unexpected = Object.keys(body).filter((field) => refuses.includes(field))
    if (unexpected.length > 0)
      return json(reply, 422, { detail: `Unexpected fields: ${unexpected.join(', ')}` })
    if (Number(body['max_tokens']) > contextLength) {
      const message = `max_tokens=${String(body['max_tokens'])} cannot be greater than max_model_len=${contextLength}.`
      return json(reply, 400, { error: { message } })
    }
    const model = String(body['model'])
    if (model !== (this.#options.model ?? 'fake') && !this.adapters.has(model)) {
      return json(reply, 404, { error: { message: `The model \`${model}\` does not exist.`, code: 404 } })
    }
    const chat = path.includes('chat')
    const {
      pieces,
      finish,
      stop,
      promptTokens = 7,
    } = (await this.#options.complete?.(seen, this.adapters.get(model))) ??
    answer(this.#options.script?.(seen) ?? draw(seen), body, words)
    const vllm = owner === 'vllm'
    const usage = (done: number): unknown => ({
      prompt_tokens: promptTokens,
      completion_tokens: done,
    })
    const choice = (from: number, to: number): Record<string, unknown> => {
      const tokens = pieces.slice(from, to)
      const text = tokens.filter(({ id }) => id !== EOS).map((token) => token.text)
      const last = to >= pieces.length
      return {
        index: 0,
        ...(chat
          ? { [body['stream'] === true ? 'delta' : 'message']: { content: text.join('') } }
          : { text: text.join('') }),
        finish_reason: last ? finish : null,
        ...(vllm && last && { stop_reason: stop }),
        ...(vllm && body['return_token_ids'] === true && { token_ids: tokens.map(({ id }) => id) }),
        ...(vllm &&
          body['logprobs'] === 0 && {
            logprobs: {
              tokens: tokens.map((token) => token.own ?? token.text),
              token_logprobs: tokens.map(({ logprob }) => logprob ?? -0.5),
            },
          }),
      }
    }
    if (body['stream'] !== true) {
      return json(reply, 200, { choices: [choice(0, pieces.length)], usage: usage(pieces.length) })
    }
    reply.setHeader('content-type', 'text/event-stream')
    for (let at = 0; at < pieces.length; at += perEvent) {
      if (reply.destroyed) return
      const to = Math.min(at + perEvent, pieces.length)
      const event = { choices: [choice(at, to)], ...(vllm && { usage: usage(to) }) }
      reply.write(`data: ${JSON.stringify(event)}\n\n`)
      await new Promise((resolve) => setImmediate(resolve))
    }
    reply.write(`data: ${JSON.stringify({ choices: [], usage: usage(pieces.length) })}\n\n`)
    reply.end('data: [DONE]\n\n')
  }
}

/** Letters and spaces by prompt, seed and temperature; what it says depends on nothing else. */
function draw({ body }: Seen): string {
  const greedy = body['temperature'] === 0
  const rng = new Rng(deriveSeed(greedy ? 0 : Number(body['seed'] ?? 0), String(body['prompt'])))
  return Array.from({ length: 5 + rng.int(30) }, () => 'abc def'[rng.int(7)] ?? '').join('')
}

export interface FakeToken {
  readonly text: string
  /** As the list of tokens has it. */
  readonly own?: string
  readonly id: number
  readonly logprob?: number
}

export interface FakeCompletion {
  readonly promptTokens?: number
  readonly pieces: readonly FakeToken[]
  readonly finish: string
  readonly stop: string | null
}

/** Cut as a server cuts: by its own stop strings, which it leaves out unless told otherwise, and by length. */
function answer(text: string, body: Record<string, unknown>, words: boolean): FakeCompletion {
  const stops = (body['stop'] ?? []) as string[]
  const first = stops
    .map((stop) => ({ stop, at: text.indexOf(stop) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at)[0]
  const kept =
    first && text.slice(0, first.at + (body['include_stop_str_in_output'] === true ? first.stop.length : 0))
  const all = words ? wordsOf(kept ?? text) : charactersOf(kept ?? text)
  const limit = Number(body['max_tokens'])
  if (all.length >= limit) return { pieces: all.slice(0, limit), finish: 'length', stop: null }
  if (first !== undefined) return { pieces: all, finish: 'stop', stop: first.stop }
  return { pieces: [...all, { text: '</s>', id: EOS }], finish: 'stop', stop: null }
}

function charactersOf(text: string): FakeToken[] {
  return Array.from(text, (character) => ({ text: character, id: character.codePointAt(0) ?? 0 }))
}

function wordsOf(text: string): FakeToken[] {
  return (text.match(/ ?[^ ]+/g) ?? []).map((word) => ({
    text: word,
    own: word.trimStart(),
    id: 1000 + word.length,
  }))
}

export function json(reply: ServerResponse, status: number, document: unknown): void {
  reply.writeHead(status, { 'content-type': 'application/json' })
  reply.end(JSON.stringify(document))
}
