import PQueue from 'p-queue'
import { ElenchusError } from '../../errors.ts'
import type { Completion, FinishReason, GenerateOptions, GenerateRequest } from '../backend.ts'
import { ServerAdapters } from './adapters.ts'
import { Cutter } from './cut.ts'
import { httpFailed } from './failures.ts'
import type { HttpClient } from './http.ts'
import { type Chunk, readChunk } from './pieces.ts'
import { type Api, requestBody, serverStops, type Style } from './request.ts'
import { pathOf, type ServerFacts } from './server.ts'
import { readEvents } from './sse.ts'

export interface EndpointSettings {
  readonly api: Api
  readonly model: string
  readonly concurrency: number
  readonly extra: Readonly<Record<string, unknown>>
  readonly logprobsOf: 'model' | 'sampling'
  readonly warn: (message: string) => void
}

/** One server: a bounded number of requests at once, whoever asks. */
export class Endpoint {
  readonly http: HttpClient
  readonly facts: ServerFacts
  readonly #settings: EndpointSettings
  readonly #queue: PQueue
  readonly #adapters: ServerAdapters

  constructor(http: HttpClient, facts: ServerFacts, settings: EndpointSettings) {
    this.http = http
    this.facts = facts
    this.#settings = settings
    this.#queue = new PQueue({ concurrency: settings.concurrency })
    this.#adapters = new ServerAdapters(http, facts.kind)
  }

  get concurrency(): number {
    return this.#settings.concurrency
  }

  /** One completion by the given policy. */
  complete(request: GenerateRequest, options: GenerateOptions, signal: AbortSignal): Promise<Completion> {
    const { policy } = options
    return this.#queue.add(() =>
      policy.kind === 'base'
        ? this.#exchange(request, options, this.#settings.model, signal)
        : this.#adapters.with(policy, signal, (name) => this.#exchange(request, options, name, signal)),
    )
  }

  async #exchange(
    request: GenerateRequest,
    options: GenerateOptions,
    model: string,
    signal: AbortSignal,
  ): Promise<Completion> {
    const { api, extra } = this.#settings
    const { kind, without, contextLength } = this.facts
    const style: Style = { api, kind, model, without, contextLength, extra }
    const stops = serverStops(options, kind)
    const body = requestBody(request, options, style, stops)
    try {
      return await this.http.send(pathOf(api), { body, signal }, async (reply) => {
        const reading = new Reading(options)
        if (stops === null) {
          for await (const document of readEvents(reply)) {
            if (reading.add(readChunk(document, api), [])) break
          }
        } else {
          const parts: Buffer[] = []
          for await (const part of reply as AsyncIterable<Buffer>) parts.push(part)
          reading.add(readChunk(parseReply(Buffer.concat(parts)), api), stops)
        }
        // A count of the server's is one of the whole completion, not of what is left when it is cut.
        const counted =
          stops === null && reading.cutter.finish !== null ? undefined : reading.completionTokens
        return this.#completion(request, options, reading, counted)
      })
    } catch (error) {
      if (isTooLong(error)) return tooLong(request.key)
      throw error
    }
  }

  #completion(
    { key }: GenerateRequest,
    options: GenerateOptions,
    reading: Reading,
    counted: number | undefined,
  ): Completion {
    const { cutter, promptTokens, exact } = reading
    const { tokenIds, logprobs } = this.facts
    const finishReason = reading.finishReason()
    const numTokens = tokenIds ? cutter.ids.length : (counted ?? cutter.pieces)
    if (options.segment !== undefined && !exact && numTokens > 1.5 * cutter.pieces + 2) {
      this.#settings.warn(
        `${this.http.baseUrl} streams several tokens at once and does not say which: the limit of a segment (max_thought_tokens) counts too few.`,
      )
    }
    return {
      key,
      text: cutter.text,
      ...(tokenIds && { ids: Int32Array.from(cutter.ids) }),
      ...(logprobs && this.#tellsSampling(options) && { logprobs: Float32Array.from(cutter.logprobs) }),
      numTokens,
      ...(promptTokens !== undefined && { promptTokens }),
      finishReason,
      ...(cutter.stopName !== undefined && { stopName: cutter.stopName }),
    }
  }

  /** Log-probabilities of another distribution than the sampled one would be wrong: better none. */
  #tellsSampling({ temperature, topP }: GenerateOptions): boolean {
    if (this.#settings.logprobsOf === 'sampling' || temperature === 0) return true
    if (temperature === 1 && topP === 1) return true
    this.#settings.warn(
      `${this.http.baseUrl} gives log-probabilities of the model, not of what was sampled at temperature ${temperature} and top-p ${topP}: they are left out.`,
    )
    return false
  }
}

/** A completion as it comes in. */
class Reading {
  readonly cutter: Cutter
  promptTokens: number | undefined
  completionTokens: number | undefined
  /** Whether every piece so far is one token for certain. */
  exact = true
  readonly #options: GenerateOptions
  #finish: string | null = null

  constructor(options: GenerateOptions) {
    this.#options = options
    this.cutter = new Cutter(options)
  }

  /** Whether the completion has ended with this: what follows does not exist. */
  add(chunk: Chunk, stops: readonly string[]): boolean {
    this.promptTokens ??= chunk.promptTokens
    this.completionTokens = chunk.completionTokens ?? this.completionTokens
    if (!chunk.exact && chunk.pieces.length > 0) this.exact = false
    for (const [index, piece] of chunk.pieces.entries()) {
      const isEnd = chunk.endsNaturally && piece.text === '' && index === chunk.pieces.length - 1
      if (isEnd) this.cutter.pushEnd(piece)
      else if (this.cutter.push(piece)) return true
    }
    this.#finish = chunk.finish ?? this.#finish
    // The server took the string that stopped it off.
    if (chunk.stop !== null && stops.includes(chunk.stop)) this.cutter.push({ text: chunk.stop })
    return false
  }

  finishReason(): FinishReason {
    if (this.cutter.finish !== null) return this.cutter.finish
    switch (this.#finish) {
      case 'stop':
      case 'eos':
      case 'eos_token':
        return 'eos'
      case 'length':
        return 'length'
      case null:
      case 'abort':
        throw httpFailed(
          `The server ended a completion without saying why, after ${this.cutter.pieces} pieces.`,
        )
      default:
        throw new ElenchusError('http_refused', `The server ended a completion with "${this.#finish}".`, {
          details: { finish_reason: this.#finish, maxNewTokens: this.#options.maxNewTokens },
        })
    }
  }
}

function parseReply(bytes: Buffer): unknown {
  const text = bytes.toString('utf8')
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw httpFailed(`The server's reply is malformed: ${text.slice(0, 200)}`, { cause })
  }
}

/** The one refusal that is about a request and not about the run, in the words of the servers. */
function isTooLong(error: unknown): boolean {
  return (
    ElenchusError.is(error) &&
    error.code === 'http_refused' &&
    /maximum context length|context_length_exceeded|exceeds? the (?:available|model's) (?:maximum )?context|longer than the model's context/i.test(
      error.message,
    )
  )
}

function tooLong(key: string): Completion {
  return { key, text: '', numTokens: 0, finishReason: 'prompt_too_long' }
}
