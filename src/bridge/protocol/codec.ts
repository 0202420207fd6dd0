import { Packr } from 'msgpackr'
import { ElenchusError } from '../../errors.ts'

/** Largest msgpack part of a message; a header holds texts, and numbers only one at a time. */
export const HEADER_BYTES = 64 << 20

// useRecords: the default writes an extension that no other language reads.
const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  moreTypes: false,
  int64AsType: 'number',
  mapsAsObjects: true,
})

/** Integers from here on would be written as floats by msgpackr. */
const LARGE_INTEGER = 2 ** 32

/**
 * One msgpack map. Strings become well-formed UTF-16 (a lone surrogate would crash the other side),
 * absent fields are left out, large integers stay integers.
 * @throws ElenchusError `internal` for anything msgpack has no faithful form for (typed arrays travel as blobs).
 */
export function pack(value: Readonly<Record<string, unknown>>): Uint8Array {
  const bytes = packr.pack(portable(value, ''))
  if (bytes.length > HEADER_BYTES) {
    throw new ElenchusError(
      'bad_request',
      `A message of ${bytes.length} bytes is more than a header may hold (${HEADER_BYTES}); send less per request.`,
    )
  }
  return bytes
}

function portable(value: unknown, path: string): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && Math.abs(value) >= LARGE_INTEGER ? BigInt(value) : value
  }
  if (value === null || typeof value === 'boolean') return value
  if (Array.isArray(value)) return value.map((item, index) => portable(item, `${path}[${index}]`))
  if (isPlainObject(value)) {
    const copy: Record<string, unknown> = {}
    for (const [key, item] of Object.entries(value)) {
      // An object cannot hold this key without losing its prototype.
      if (key === '__proto__') throw unportable(`${path}.${key}`)
      if (item !== undefined) copy[key.toWellFormed()] = portable(item, `${path}.${key}`)
    }
    return copy
  }
  throw unportable(path)
}

function unportable(path: string): ElenchusError {
  return new ElenchusError('internal', `A message holds something that msgpack cannot carry, at "${path}".`)
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * The value in a frame; strings and numbers are copies, so the frame may be reused afterwards.
 * @throws ElenchusError `protocol_violation` if the bytes are no msgpack, or too many.
 */
export function unpack(bytes: Uint8Array): unknown {
  if (bytes.length > HEADER_BYTES) {
    throw new ElenchusError(
      'protocol_violation',
      `A header of ${bytes.length} bytes; at most ${HEADER_BYTES} are allowed.`,
    )
  }
  try {
    const value: unknown = packr.unpack(bytes)
    return value
  } catch (cause) {
    throw new ElenchusError('protocol_violation', 'A header is not msgpack.', { cause })
  }
}
