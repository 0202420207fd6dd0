import type * as z from 'zod'
import { ElenchusError } from '../../errors.ts'
import { decodeBlobs, encodeBlobs, type Blobs, type SparseBlobs } from './blobs.ts'
import { pack, unpack } from './codec.ts'
import { headerSchema, PROTOCOL_VERSION, type Header, type MessageKind, type Work } from './header.ts'

export interface OutgoingMessage {
  readonly kind: MessageKind
  readonly id: string
  readonly op?: string
  readonly body: Readonly<Record<string, unknown>>
  readonly blobs?: SparseBlobs
}

/** A message whose header is checked and whose body is not yet: that takes its kind and operation. */
export interface IncomingMessage {
  readonly kind: MessageKind
  readonly id: string
  readonly body: Readonly<Record<string, unknown>>
  readonly blobs: Blobs
  readonly servedS: number
  readonly importS: number
  readonly work?: Work
}

/** The frames of a message: header, then blobs. Blob frames are views, see {@link encodeBlobs}. */
export function encodeMessage(message: OutgoingMessage): Uint8Array[] {
  const { descriptions, frames } = encodeBlobs(message.blobs ?? {})
  const header: Header = {
    v: PROTOCOL_VERSION,
    kind: message.kind,
    id: message.id,
    op: message.op,
    body: message.body,
    blobs: descriptions.length === 0 ? undefined : descriptions,
  }
  return [pack(header), ...frames]
}

/**
 * A message from its frames.
 * @throws ElenchusError `protocol_violation` on anything malformed or of another protocol version.
 */
export function decodeMessage(frames: readonly Uint8Array[]): IncomingMessage {
  const [first, ...rest] = frames
  if (first === undefined) throw new ElenchusError('protocol_violation', 'A message has no frames.')
  const header = parseBody(headerSchema, unpack(first), 'header')
  if (header.v !== PROTOCOL_VERSION) {
    throw new ElenchusError(
      'protocol_violation',
      `A message of protocol version ${header.v} came; this side speaks ${PROTOCOL_VERSION}.`,
    )
  }
  return {
    kind: header.kind,
    id: header.id,
    body: header.body,
    blobs: decodeBlobs(header.blobs ?? [], rest),
    servedS: header.served_s ?? 0,
    importS: header.import_s ?? 0,
    ...(header.work !== undefined && { work: header.work }),
  }
}

/**
 * A value checked against its schema.
 * @throws ElenchusError `protocol_violation` naming the field at fault.
 */
export function parseBody<Output>(schema: z.ZodType<Output>, value: unknown, what: string): Output {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const where = issue === undefined || issue.path.length === 0 ? '' : ` at "${issue.path.join('.')}"`
  throw new ElenchusError(
    'protocol_violation',
    `The ${what} does not fit the protocol${where}: ${issue?.message ?? 'unknown reason'}.`,
    { cause: parsed.error },
  )
}
