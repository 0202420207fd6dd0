import { ElenchusError } from '../../errors.ts'
import { fingerprintJson, fingerprintWeights } from '../../runs/fingerprint.ts'
import {
  BACKEND_SPECIFICATION,
  type BackendInfo,
  type Capabilities,
  type Completion,
  type GenerateOptions,
  type GenerateRequest,
  type ModelBackend,
  type PolicyRef,
} from '../backend.ts'
import { Channel } from '../channel.ts'
import { adapterPolicy } from './adapters.ts'
import { Endpoint } from './endpoint.ts'
import { HttpClient, throwIfAborted } from './http.ts'
import type { OpenAIBackendOptions, ServerKind } from './options.ts'
import { inspectServer } from './server.ts'

/** Any OpenAI-compatible server: it generates, and on vLLM by adapters too. */
export interface OpenAIBackend extends ModelBackend {
  readonly server: ServerKind
  /** The policy in an adapter folder, with the fingerprint of its weights. The server must see the same folder. */
  adapterPolicy(path: string): Promise<PolicyRef>
}

const DEFAULTS = { concurrency: 32, retries: 5, idleMs: 600_000, keyVariable: 'OPENAI_API_KEY' } as const
/** Completions that wait for their reader; behind them the servers wait. */
const BUFFERED = 64

/**
 * Connects to an OpenAI-compatible server and finds out what it can. A `key` is that of servers which the caller has
 * started; those of others stay in the environment.
 *
 * @throws ElenchusError `http_failed` where nobody answers; `http_refused` for a wrong key, address or model.
 */
export async function createOpenAIBackend(
  options: OpenAIBackendOptions,
  { signal, key }: { readonly signal?: AbortSignal | undefined; readonly key?: string } = {},
): Promise<OpenAIBackend> {
  const warned = new Set<string>()
  const warn = (message: string): void => {
    if (warned.has(message)) return
    warned.add(message)
    options.onWarning?.(message)
  }
  const api = options.api ?? 'completions'
  if (api === 'chat') {
    warn(
      "The chat API wraps every prompt in the server's template: the model sees other prompts than the records.",
    )
  }
  const urls = typeof options.baseUrl === 'string' ? [options.baseUrl] : options.baseUrl
  const clients = urls.map(
    (url) =>
      new HttpClient({
        baseUrl: normaliseUrl(url),
        model: options.model,
        keyVariable: options.apiKeyVariable ?? DEFAULTS.keyVariable,
        key,
        retries: options.retries ?? DEFAULTS.retries,
        idleMs: options.idleMs ?? DEFAULTS.idleMs,
      }),
  )
  const { model } = options
  const extra = options.extraBody ?? {}
  try {
    const endpoints = await Promise.all(
      clients.map(async (http) => {
        const facts = await inspectServer(http, { api, model, kind: options.server, extra, signal, warn })
        return new Endpoint(http, facts, {
          api,
          model,
          concurrency: options.concurrency ?? DEFAULTS.concurrency,
          extra,
          logprobsOf: options.logprobsOf ?? 'model',
          warn,
        })
      }),
    )
    const fingerprint =
      options.fingerprint ?? (await fingerprintWeights(model)) ?? `served-${fingerprintJson({ model })}`
    return new Served(endpoints, model, fingerprint)
  } catch (error) {
    for (const client of clients) client.close()
    throw error
  }
}

/** Users give the address with or without the version, with or without a slash. */
function normaliseUrl(text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch (cause) {
    throw new ElenchusError('usage', `"${text}" is no address of a server.`, {
      hint: 'For example http://localhost:8000/v1.',
      cause,
    })
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ElenchusError('usage', `"${text}" is no http(s) address.`, {
      hint: 'For example http://localhost:8000/v1.',
    })
  }
  const path = url.pathname.replace(/\/+$/, '')
  return `${url.origin}${/\/v\d\w*$/.test(path) ? path : `${path}/v1`}`
}

class Served implements OpenAIBackend {
  readonly specification = BACKEND_SPECIFICATION
  readonly name = 'openai'
  readonly capabilities: Capabilities
  readonly server: ServerKind
  readonly #endpoints: readonly Endpoint[]
  readonly #info: BackendInfo

  constructor(endpoints: readonly Endpoint[], model: string, fingerprint: string) {
    const [first] = endpoints
    if (first === undefined) throw new ElenchusError('usage', 'No address of a server is given.')
    this.#endpoints = endpoints
    this.server = first.facts.kind
    this.capabilities = {
      generate: true,
      score: false,
      train: false,
      tokenIds: endpoints.every(({ facts }) => facts.tokenIds),
      logprobs: endpoints.every(({ facts }) => facts.logprobs),
      adapters: endpoints.every(({ facts }) => facts.kind === 'vllm'),
    }
    this.#info = {
      model,
      fingerprint,
      device: endpoints.map(({ http }) => http.baseUrl).join(', '),
      versions: {},
    }
  }

  info(): Promise<BackendInfo> {
    return Promise.resolve(this.#info)
  }

  adapterPolicy(path: string): Promise<PolicyRef> {
    return adapterPolicy(path)
  }

  async *generate(
    requests: readonly GenerateRequest[],
    options: GenerateOptions,
  ): AsyncGenerator<Completion, void, undefined> {
    if (new Set(requests.map(({ key }) => key)).size !== requests.length) {
      throw new ElenchusError('bad_request', 'Two requests of one call have the same key.')
    }
    const { policy } = options
    if (policy.kind === 'base' && policy.fingerprint !== this.#info.fingerprint) {
      throw new ElenchusError(
        'stale_policy',
        'The server has other weights than those that were asked for.',
        {
          details: { wanted: policy.fingerprint, found: this.#info.fingerprint },
        },
      )
    }
    throwIfAborted(options.signal)
    const channel = new Channel<Completion>(BUFFERED)
    const leaving = new AbortController()
    const signal =
      options.signal === undefined ? leaving.signal : AbortSignal.any([options.signal, leaving.signal])
    const waiting = requests.values()
    const serve = async (endpoint: Endpoint): Promise<void> => {
      for (const request of waiting) {
        throwIfAborted(signal)
        await channel.push(await endpoint.complete(request, options, signal))
      }
    }
    // Whoever is free takes the next request, in order: the samples of a prompt stay close together.
    const lanes = this.#endpoints.flatMap((endpoint) =>
      Array.from({ length: Math.min(endpoint.concurrency, requests.length) }, () => serve(endpoint)),
    )
    const serving = Promise.all(lanes).then(
      () => channel.end(null),
      (error: Error) => {
        channel.end(error)
        leaving.abort()
      },
    )
    try {
      yield* channel.read()
    } finally {
      leaving.abort()
      channel.end(null)
      await serving
      await Promise.allSettled(lanes)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const { http } of this.#endpoints) http.close()
    return Promise.resolve()
  }
}
