import { ElenchusError, type ErrorOptions } from '../../errors.ts'

/** A failure that may pass: the same request is worth sending again. */
export function httpFailed(message: string, options: ErrorOptions = {}): ElenchusError {
  return new ElenchusError('http_failed', message, options)
}

/** What was asked for, to be named in messages. */
export interface Asked {
  readonly url: string
  readonly model: string
  readonly keyVariable: string
  /** Whether the variable is set; its value is never part of anything. */
  readonly hasKey: boolean
}

/** Statuses that may pass. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504])
const SHOWN = 500

/** The error for a reply that is no success; `body` has been cleaned of the key. */
export function refusal(status: number, body: string, asked: Asked, retryAfterMs?: number): ElenchusError {
  const said = explanation(body)
  const details = { status, url: asked.url, body: said, ...(retryAfterMs !== undefined && { retryAfterMs }) }
  if (status === 401 || status === 403) {
    return new ElenchusError('http_refused', `${asked.url} refuses access (${status}): ${said}`, {
      hint: asked.hasKey
        ? `The key in ${asked.keyVariable} is not the server's; set the right one, or unset it.`
        : `Set ${asked.keyVariable} to the server's key.`,
      details,
    })
  }
  if (status === 404 && /model|lora/i.test(said)) {
    return new ElenchusError('http_refused', `${asked.url} has no model "${asked.model}": ${said}`, {
      details,
    })
  }
  if (status === 404 || status === 405 || status === 501) {
    return new ElenchusError('http_refused', `There is no ${asked.url} (${status}): ${said}`, {
      hint: 'Check the address: it ends in /v1 on most servers. A server without /v1/completions needs the chat API (--api chat).',
      details,
    })
  }
  if (PASSING.has(status)) {
    return httpFailed(`${asked.url} answered ${status}: ${said}`, {
      ...(status === 429 && { hint: 'The server is at its limit: lower --concurrency, or wait.' }),
      details,
    })
  }
  return new ElenchusError('http_refused', `${asked.url} refuses the request (${status}): ${said}`, {
    details,
  })
}

/** The error for a connection that failed before there was a reply, or in the middle of it; `reused`: an old one. */
export function unreachable(url: string, cause: unknown, reused: boolean): ElenchusError {
  const { code = '', message = String(cause) } = cause instanceof Error ? codeAndMessage(cause) : {}
  const said = [code, message].filter((part) => part !== '').join(': ')
  return httpFailed(`${url} cannot be reached (${said}).`, {
    hint: 'Is the server running, and is this its address?',
    cause,
    details: { url, reused },
  })
}

function codeAndMessage(error: Error): { code?: string; message: string } {
  const code: unknown = Reflect.get(error, 'code')
  // Several addresses were tried (IPv6 and IPv4): the first failure speaks for all.
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : undefined
  const { message } = inner instanceof Error ? inner : error
  return typeof code === 'string' && !message.includes(code) ? { code, message } : { message }
}

/** The sentence in an error document; servers put it in different places. */
function explanation(body: string): string {
  let found: unknown = body
  try {
    found = JSON.parse(body)
  } catch {
    // Plain text, or a page of some proxy.
  }
  for (const key of ['error', 'message', 'detail']) {
    if (typeof found === 'object' && found !== null && key in found) found = Reflect.get(found, key)
  }
  const text = typeof found === 'string' ? found : JSON.stringify(found)
  const line = text.trim().replaceAll(/\s+/g, ' ')
  return line.length > SHOWN ? `${line.slice(0, SHOWN)} ...` : line || 'no explanation'
}
