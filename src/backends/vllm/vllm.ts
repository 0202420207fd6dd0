import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { ElenchusError } from '../../errors.ts'
import {
  BACKEND_SPECIFICATION,
  type BackendInfo,
  type BackendUsage,
  type Capabilities,
  type Completion,
  type GenerateOptions,
  type GenerateRequest,
  type PolicyRef,
} from '../backend.ts'
import { createOpenAIBackend, type OpenAIBackend } from '../openai/openai.ts'
import type { OpenAIBackendOptions } from '../openai/options.ts'
import { type StartOptions, VllmServer } from './server.ts'

export interface VllmBackendOptions
  extends
    Omit<StartOptions, 'gpu' | 'key' | 'signal'>,
    Pick<OpenAIBackendOptions, 'concurrency' | 'retries' | 'extraBody' | 'fingerprint' | 'onWarning'> {
  /** Devices relative to CUDA_VISIBLE_DEVICES, one server each; empty: one server that sees all of them. */
  readonly gpus?: readonly number[] | undefined
  /** How often in a row servers may be started again after one ended without anything having been generated. @default 3 */
  readonly restarts?: number | undefined
}

/** Sequences that one server is given at once: it schedules them itself. */
const CONCURRENCY = 256
const RESTARTS = 3
/** A server whose engine has failed answers for a while, before it ends. */
const LAST_WORDS_MS = 10_000

/**
 * Starts one `vllm serve` per device from the user's own vLLM and generates through them, by adapters from their
 * folders too. One that ends by itself is started again, and what it left undone is generated then. The servers end with
 * the backend, and with this process however it ends.
 */
export async function createVllmBackend(
  options: VllmBackendOptions,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<OpenAIBackend> {
  const backend = new Vllm(options)
  try {
    await backend.start(signal)
    return backend
  } catch (error) {
    await backend[Symbol.asyncDispose]()
    throw error
  }
}

class Vllm implements OpenAIBackend {
  readonly specification = BACKEND_SPECIFICATION
  readonly name = 'vllm'
  readonly server = 'vllm'
  readonly #options: VllmBackendOptions
  /** Nobody else on this machine is served, or can have folders loaded. */
  readonly #key = randomBytes(24).toString('hex')
  #servers: readonly VllmServer[] = []
  #served: OpenAIBackend | undefined
  #down = new AbortController()
  #starting: Promise<void> | null = null
  #startSeconds = 0
  #generating = 0
  #since = 0
  #generatedSeconds = 0

  constructor(options: VllmBackendOptions) {
    this.#options = options
  }

  get capabilities(): Capabilities {
    return this.#ready.capabilities
  }

  info(): Promise<BackendInfo> {
    return this.#ready.info()
  }

  adapterPolicy(path: string): Promise<PolicyRef> {
    return this.#ready.adapterPolicy(path)
  }

  usage(): BackendUsage {
    const seconds = this.#generatedSeconds + (this.#generating > 0 ? secondsSince(this.#since) : 0)
    return {
      startSeconds: this.#startSeconds,
      requestSeconds: seconds,
      workerSeconds: seconds,
      meanWorkerSeconds: seconds,
    }
  }

  /** Starts every server that does not run; whoever asks meanwhile waits for the same start. */
  start(signal: AbortSignal | undefined): Promise<void> {
    this.#starting ??= this.#start(signal).finally(() => {
      this.#starting = null
    })
    return this.#starting
  }

  async #start(signal: AbortSignal | undefined): Promise<void> {
    const { gpus = [], concurrency = CONCURRENCY, retries, extraBody, fingerprint, onWarning } = this.#options
    const began = performance.now()
    await this.#served?.[Symbol.asyncDispose]()
    const alive = this.#servers.filter((server) => server.alive)
    const missing = (gpus.length === 0 ? [undefined] : gpus).filter(
      (gpu) => !alive.some((server) => server.gpu === gpu),
    )
    const key = this.#key
    const started = await Promise.allSettled(
      missing.map((gpu) => VllmServer.start({ ...this.#options, gpu, key, signal })),
    )
    this.#servers = [...alive, ...started.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))]
    for (const each of started) if (each.status === 'rejected') throw each.reason
    const down = new AbortController()
    this.#down = down
    for (const server of this.#servers) void server.died.then((error) => down.abort(error))
    this.#served = await this.#orWhyItEnded(
      createOpenAIBackend(
        {
          baseUrl: this.#servers.map(({ url }) => url),
          model: this.#options.model,
          server: 'vllm',
          logprobsOf: 'sampling',
          concurrency,
          retries,
          extraBody,
          fingerprint,
          onWarning,
        },
        { signal: anySignal(signal, down.signal), key },
      ),
    )
    this.#startSeconds += secondsSince(began)
  }

  async *generate(
    requests: readonly GenerateRequest[],
    options: GenerateOptions,
  ): AsyncGenerator<Completion, void, undefined> {
    const open = new Map(requests.map((request) => [request.key, request]))
    if (open.size !== requests.length) {
      throw new ElenchusError('bad_request', 'Two requests of one call have the same key.')
    }
    const most = this.#options.restarts ?? RESTARTS
    for (let inVain = 0; ;) {
      const before = open.size
      try {
        // Others may end meanwhile, too.
        if (inVain > 0) await this.start(options.signal)
        for await (const completion of this.#generateOnce([...open.values()], options)) {
          open.delete(completion.key)
          yield completion
        }
        return
      } catch (error) {
        if (!ElenchusError.is(error) || error.code !== 'worker_died') throw error
        inVain = open.size < before ? 1 : inVain + 1
        if (inVain > most) throw error
        this.#options.onWarning?.(`${error.message}\nIt is started again; ${open.size} completions are left.`)
      }
    }
  }

  async *#generateOnce(
    requests: readonly GenerateRequest[],
    options: GenerateOptions,
  ): AsyncGenerator<Completion, void, undefined> {
    // Another call may be mending them.
    await this.#starting
    this.#count(1)
    try {
      const signal = anySignal(options.signal, this.#down.signal)
      const completions = this.#ready.generate(requests, { ...options, signal })[Symbol.asyncIterator]()
      try {
        for (;;) {
          const next = await this.#orWhyItEnded(completions.next())
          if (next.done === true) return
          yield next.value
        }
      } finally {
        await completions.return?.()
      }
    } finally {
      this.#count(-1)
    }
  }

  /** A failure of a server that is about to end is what ended it. */
  async #orWhyItEnded<Result>(doing: Promise<Result>): Promise<Result> {
    try {
      return await doing
    } catch (error) {
      const { signal } = this.#down
      if (ElenchusError.is(error) && error.code === 'http_failed' && !signal.aborted) {
        await delay(LAST_WORDS_MS, undefined, { signal }).catch(() => undefined)
      }
      throw signal.aborted ? signal.reason : error
    }
  }

  #count(change: 1 | -1): void {
    if (this.#generating === 0) this.#since = performance.now()
    this.#generating += change
    if (this.#generating === 0) this.#generatedSeconds += secondsSince(this.#since)
  }

  get #ready(): OpenAIBackend {
    if (this.#served === undefined) throw new ElenchusError('internal', 'No server of vLLM has been started.')
    return this.#served
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#served?.[Symbol.asyncDispose]()
    await Promise.all(this.#servers.map((server) => server[Symbol.asyncDispose]()))
  }
}

function anySignal(given: AbortSignal | undefined, own: AbortSignal): AbortSignal {
  return given === undefined ? own : AbortSignal.any([given, own])
}

function secondsSince(began: number): number {
  return (performance.now() - began) / 1000
}
