import { type IncomingMessage, Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import { ElenchusError, throwIfCancelled } from '../../errors.ts'
import { type Asked, httpFailed, refusal, unreachable } from './failures.ts'

export interface HttpOptions {
  /** Without a slash at its end. */
  readonly baseUrl: string
  readonly model: string
  /** Environment variable of the key. It is read for every request and kept nowhere. */
  readonly keyVariable: string
  /** In its place, of a server that this process has started. */
  readonly key?: string | undefined
  readonly retries: number
  readonly idleMs: number
}

interface Send {
  readonly method?: 'GET' | 'POST'
  readonly body?: unknown
  readonly signal?: AbortSignal | undefined
  /** @default as the client's options say */
  readonly retries?: number
}

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000
/** A server that asks for more patience than this is treated as failed. */
const LONGEST_RETRY_AFTER_MS = 300_000
const MOST_STALE = 8
const LONGEST_ERROR_BODY = 64 * 1024

/**
 * Requests to one server, with retries. Not `fetch`: it gives up after five minutes without headers, and a
 * long completion that is not streamed, or waits its turn, may take longer.
 */
export class HttpClient {
  readonly baseUrl: string
  readonly #options: HttpOptions
  readonly #agent: HttpAgent | HttpsAgent

  constructor(options: HttpOptions) {
    this.#options = options
    this.baseUrl = options.baseUrl
    const secure = options.baseUrl.startsWith('https:')
    this.#agent = new (secure ? HttpsAgent : HttpAgent)({ keepAlive: true })
  }

  /**
   * Sends until `read` has understood a reply, and again after failures that may pass.
   * @throws ElenchusError `http_refused`, `http_failed`, `cancelled`.
   */
  async send<Result>(
    path: string,
    send: Send,
    read: (reply: IncomingMessage) => Promise<Result>,
  ): Promise<Result> {
    const retries = send.retries ?? this.#options.retries
    let stale = 0
    for (let attempt = 0; ; attempt += 1) {
      throwIfAborted(send.signal)
      try {
        return await this.#once(path, send, read)
      } catch (error) {
        throwIfAborted(send.signal)
        // The server closed a kept connection just when it was used again: no failure of anybody.
        if (ElenchusError.is(error) && error.details['reused'] === true && stale < MOST_STALE) {
          stale += 1
          attempt -= 1
          continue
        }
        if (!ElenchusError.is(error) || error.code !== 'http_failed' || attempt >= retries) throw error
        const asked = error.details['retryAfterMs']
        if (typeof asked === 'number' && asked > LONGEST_RETRY_AFTER_MS) throw error
        await pause(typeof asked === 'number' ? asked : backOff(attempt), send.signal)
      }
    }
  }

  /** The JSON document of a reply. */
  json(path: string, send: Send = {}): Promise<unknown> {
    return this.send(path, send, async (reply) => {
      const text = await readText(reply)
      try {
        return JSON.parse(text)
      } catch (cause) {
        throw httpFailed(
          `${this.baseUrl}${path} answered with something else than JSON: ${text.slice(0, 200)}`,
          {
            cause,
          },
        )
      }
    })
  }

  close(): void {
    this.#agent.destroy()
  }

  async #once<Result>(
    path: string,
    { method = 'POST', body, signal }: Send,
    read: (reply: IncomingMessage) => Promise<Result>,
  ): Promise<Result> {
    const { model, keyVariable, key = process.env[keyVariable] ?? '', idleMs } = this.#options
    const url = `${this.baseUrl}${path}`
    const text = body === undefined ? undefined : JSON.stringify(body)
    const leaving = new AbortController()
    let reply: IncomingMessage | undefined
    let reused = false
    try {
      reply = await new Promise<IncomingMessage>((resolve, reject) => {
        const request = (url.startsWith('https:') ? httpsRequest : httpRequest)(url, {
          method,
          agent: this.#agent,
          signal: signal === undefined ? leaving.signal : AbortSignal.any([signal, leaving.signal]),
          headers: {
            accept: 'application/json, text/event-stream',
            ...(text !== undefined && {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(text),
            }),
            ...(key !== '' && { authorization: `Bearer ${key}` }),
          },
        })
        request.setTimeout(idleMs, () => {
          request.destroy(new Error(`no sign of life for ${idleMs / 1000} s`))
        })
        request.once('response', resolve)
        request.on('error', (error) => {
          reused = request.reusedSocket
          reject(error)
        })
        request.end(text)
      })
      const status = reply.statusCode ?? 0
      if (status >= 200 && status < 300) return await read(reply)
      const said = await readText(reply).catch(() => '')
      const asked: Asked = { url, model, keyVariable, hasKey: key !== '' }
      throw refusal(status, key === '' ? said : said.replaceAll(key, '***'), asked, retryAfter(reply))
    } catch (error) {
      if (ElenchusError.is(error)) throw error
      throw unreachable(url, error, reply === undefined && reused)
    } finally {
      // A reply that was left in the middle, or failed: closing the connection makes the server stop, too.
      if (reply?.readableEnded !== true) leaving.abort()
    }
  }
}

async function readText(reply: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  const isError = (reply.statusCode ?? 0) >= 300
  for await (const part of reply as AsyncIterable<Buffer>) {
    parts.push(part)
    size += part.length
    if (isError && size > LONGEST_ERROR_BODY) break
  }
  return Buffer.concat(parts).toString('utf8')
}

/** What the server asks for, as seconds or as a date. */
function retryAfter(reply: IncomingMessage): number | undefined {
  const value = reply.headers['retry-after']
  if (value === undefined) return undefined
  const seconds = Number(value)
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined
}

/** Doubles each time; spread, so that requests that failed together do not return together. */
function backOff(attempt: number): number {
  return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt) * (0.5 + Math.random() / 2)
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, signal && { signal })
  } catch {
    throwIfAborted(signal)
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  throwIfCancelled(signal, 'generate')
}
