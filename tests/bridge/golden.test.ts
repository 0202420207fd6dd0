import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Blobs } from '../../src/bridge/protocol/blobs.ts'
import { CONTROL_BODIES, progressSchema } from '../../src/bridge/protocol/control.ts'
import { encodeBlobs } from '../../src/bridge/protocol/blobs.ts'
import { decodeMessage, encodeMessage, parseBody } from '../../src/bridge/protocol/message.ts'
import { OPS } from '../../src/bridge/protocol/ops.ts'
import { GOLDEN_MESSAGES, type GoldenMessage } from './golden-messages.ts'

const FOLDER = join(import.meta.dirname, '../golden/wire')
const INDEX = join(FOLDER, 'index.json')

/** What the tests of both languages read: the header's bytes are in `file`, the blobs' frames stand here. */
function indexEntry(message: GoldenMessage) {
  const { descriptions, frames } = encodeBlobs(message.blobs ?? {})
  return {
    name: message.name,
    file: `${message.name}.msgpack`,
    kind: message.kind,
    op: message.op ?? null,
    id: message.id,
    body: message.body,
    blobs: descriptions.map((description) => ({
      name: description.name,
      dtype: description.dtype,
      shape: description.shape,
      values: Array.from<number>(message.blobs?.[description.name] ?? []),
    })),
    frames_base64: frames.map((frame) => Buffer.from(frame).toString('base64')),
  }
}

function indexText(): string {
  return `${JSON.stringify(GOLDEN_MESSAGES.map(indexEntry), null, 1)}\n`
}

if (process.env['ELENCHUS_UPDATE_GOLDEN'] === '1') {
  rmSync(FOLDER, { recursive: true, force: true })
  mkdirSync(FOLDER, { recursive: true })
  for (const message of GOLDEN_MESSAGES) {
    writeFileSync(join(FOLDER, `${message.name}.msgpack`), encodeMessage(message)[0] ?? '')
  }
  writeFileSync(INDEX, indexText())
}

/** Body and blobs against the schema of the message's kind or operation. */
function check(message: GoldenMessage, body: unknown, blobs: Blobs): unknown {
  const { kind, op } = message
  if (kind === 'request' || kind === 'result' || kind === 'event') {
    if (op === undefined) return parseBody(progressSchema, body, message.name)
    const definition = OPS[op]
    const spec = { request: 'requestBlobs', result: 'resultBlobs', event: 'eventBlobs' } as const
    parseBody<unknown>(definition[spec[kind]], blobs, message.name)
    const schema = definition[kind]
    if (schema === null) throw new Error(`${op} has no event`)
    return parseBody<unknown>(schema, body, message.name)
  }
  return parseBody<unknown>(CONTROL_BODIES[kind], body, message.name)
}

describe('golden messages of the wire', () => {
  test('the committed files are what the schema side writes today (npm run golden:wire rewrites them)', () => {
    expect(readFileSync(INDEX, 'utf8')).toBe(indexText())
    const files = GOLDEN_MESSAGES.map((message) => `${message.name}.msgpack`)
    expect(readdirSync(FOLDER).sort()).toEqual([...files, 'index.json'].sort())
    for (const message of GOLDEN_MESSAGES) {
      const bytes = readFileSync(join(FOLDER, `${message.name}.msgpack`))
      expect(bytes.equals(Buffer.from(encodeMessage(message)[0] ?? []))).toBe(true)
    }
  })

  test.each(GOLDEN_MESSAGES.map((message) => [message.name, message] as const))(
    '%s is decoded from its bytes and fits its schema, nothing left over',
    (_name, message) => {
      const header = readFileSync(join(FOLDER, `${message.name}.msgpack`))
      const { frames } = encodeBlobs(message.blobs ?? {})
      const decoded = decodeMessage([header, ...frames])
      expect(decoded.kind).toBe(message.kind)
      expect(decoded.id).toBe(message.id)
      expect(decoded.body).toEqual(message.body)
      expect(decoded.blobs).toEqual(message.blobs ?? {})
      // A schema that silently dropped a field would pass a weaker comparison.
      expect(check(message, decoded.body, decoded.blobs)).toEqual(message.body)
    },
  )

  test('every operation and every kind of message has a golden message', () => {
    const ops = new Set(GOLDEN_MESSAGES.map((message) => message.op))
    expect(Object.keys(OPS).filter((op) => !ops.has(op as keyof typeof OPS))).toEqual([])
    const kinds = new Set(GOLDEN_MESSAGES.map((message) => message.kind))
    expect(
      [...Object.keys(CONTROL_BODIES), 'request', 'result', 'event'].filter(
        (kind) => !kinds.has(kind as 'ping'),
      ),
    ).toEqual([])
  })
})
