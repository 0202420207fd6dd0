import { httpFailed } from './failures.ts'

/** The last event of an OpenAI stream. */
const DONE = '[DONE]'

/**
 * The JSON documents of a server-sent event stream, up to `[DONE]` or its end.
 * @throws ElenchusError `http_failed` for what is no such stream.
 */
export async function* readEvents(body: AsyncIterable<Buffer | string>): AsyncGenerator<unknown, void> {
  const decoder = new TextDecoder()
  let rest = ''
  let data: string[] = []
  let done = false
  for await (const chunk of body) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    // A carriage return at the end may be half of a line end.
    const held = rest.endsWith('\r') ? rest.length - 1 : rest.length
    const lines = rest.slice(0, held).split(/\r\n|\n|\r/)
    rest = (lines.pop() ?? '') + rest.slice(held)
    for (const line of lines) {
      // Read to the very end, so that the connection can be used again.
      if (done) break
      if (line.startsWith('data:')) {
        data.push(line.slice(line.startsWith('data: ') ? 6 : 5))
      } else if (line === '' && data.length > 0) {
        const text = data.join('\n')
        data = []
        if (text === DONE) done = true
        else yield parse(text)
      } else if (line !== '' && !/^(?::|event:|id:|retry:)/.test(line)) {
        throw httpFailed(`The stream of the server is malformed: ${line.slice(0, 200)}`)
      }
    }
  }
  const last = [...data, ...(rest.startsWith('data:') ? [rest.slice(5).trimStart()] : [])].join('\n')
  if (!done && last !== '' && last !== DONE) yield parse(last)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw httpFailed(`The stream of the server is malformed: ${text.slice(0, 200)}`, { cause })
  }
}
