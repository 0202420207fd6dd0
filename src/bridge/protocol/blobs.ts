import { ElenchusError } from '../../errors.ts'
import type { BlobDescription, BlobDtype } from './header.ts'

/** Largest frame of a blob; ZeroMQ moves 64 MB two to four times faster in such pieces than in one. */
export const FRAME_BYTES = 1 << 20

interface ArrayByDtype {
  readonly i32: Int32Array
  readonly f32: Float32Array
  readonly f64: Float64Array
  readonly u8: Uint8Array
}
export type BlobArray<Dtype extends BlobDtype = BlobDtype> = ArrayByDtype[Dtype]
export type Blobs = Readonly<Record<string, BlobArray>>
/** Blobs to be sent, optional ones perhaps absent. */
export type SparseBlobs = Readonly<Record<string, BlobArray | undefined>>

const ITEM_BYTES: Readonly<Record<BlobDtype, number>> = { i32: 4, f32: 4, f64: 8, u8: 1 }

function dtypeOf(array: BlobArray): BlobDtype {
  if (array instanceof Int32Array) return 'i32'
  if (array instanceof Float32Array) return 'f32'
  return array instanceof Float64Array ? 'f64' : 'u8'
}

/**
 * Descriptions and frames of one-dimensional arrays. The frames are views of the arrays' memory: the
 * caller must not write to an array until the message has been sent.
 */
export function encodeBlobs(blobs: SparseBlobs): { descriptions: BlobDescription[]; frames: Uint8Array[] } {
  const descriptions: BlobDescription[] = []
  const frames: Uint8Array[] = []
  for (const [name, array] of Object.entries(blobs)) {
    if (array === undefined) continue
    descriptions.push({ name, dtype: dtypeOf(array), shape: [array.length] })
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    for (let at = 0; at < bytes.length; at += FRAME_BYTES) frames.push(bytes.subarray(at, at + FRAME_BYTES))
  }
  return { descriptions, frames }
}

const FROM_BYTES: Readonly<Record<BlobDtype, (buffer: ArrayBuffer) => BlobArray>> = {
  i32: (buffer) => new Int32Array(buffer),
  f32: (buffer) => new Float32Array(buffer),
  f64: (buffer) => new Float64Array(buffer),
  u8: (buffer) => new Uint8Array(buffer),
}

/**
 * Arrays from the frames behind a header, flattened to one dimension.
 *
 * The bytes are copied: frames alias ZeroMQ's memory and carry no alignment.
 * @throws ElenchusError `protocol_violation` if frames and descriptions do not fit each other.
 */
export function decodeBlobs(descriptions: readonly BlobDescription[], frames: readonly Uint8Array[]): Blobs {
  const blobs: Record<string, BlobArray> = {}
  let next = 0
  for (const { name, dtype, shape } of descriptions) {
    const size = shape.reduce((product, extent) => product * extent, ITEM_BYTES[dtype])
    const pieces = frames.slice(next, next + Math.ceil(size / FRAME_BYTES))
    next += pieces.length
    const present = pieces.reduce((sum, piece) => sum + piece.length, 0)
    // Checked before anything is allocated: a shape alone must not be able to claim memory.
    if (present !== size || pieces.some((piece) => piece.length > FRAME_BYTES)) {
      throw new ElenchusError(
        'protocol_violation',
        `The blob "${name}" of shape [${shape.join(', ')}] and type ${dtype} needs ${size} bytes in frames of at most ${FRAME_BYTES}; ${present} came.`,
      )
    }
    if (Object.hasOwn(blobs, name)) {
      throw new ElenchusError('protocol_violation', `The blob "${name}" is described twice.`)
    }
    blobs[name] = FROM_BYTES[dtype](joined(pieces, size))
  }
  if (next !== frames.length) {
    throw new ElenchusError('protocol_violation', `${frames.length - next} frames belong to no blob.`)
  }
  return blobs
}

function joined(pieces: readonly Uint8Array[], size: number): ArrayBuffer {
  // Not zeroed first: every byte is written.
  const bytes = Buffer.allocUnsafeSlow(size)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes.buffer
}

/** Rows of token ids as the blobs `ids` and `ids_lengths`. */
export function packIds(rows: readonly Int32Array[]): { ids: Int32Array; ids_lengths: Int32Array } {
  const lengths = Int32Array.from(rows, (row) => row.length)
  const ids = new Int32Array(lengths.reduce((sum, length) => sum + length, 0))
  let at = 0
  for (const row of rows) {
    ids.set(row, at)
    at += row.length
  }
  return { ids, ids_lengths: lengths }
}

/**
 * The rows of a ragged blob, as views of it.
 * @throws ElenchusError `protocol_violation` if the lengths do not add up.
 */
export function unpackRows(flat: Float32Array, lengths: Int32Array): Float32Array[] {
  const rows: Float32Array[] = []
  let at = 0
  for (const length of lengths) {
    rows.push(flat.subarray(at, at + length))
    at += length
  }
  if (at !== flat.length || lengths.some((length) => length < 0)) {
    throw new ElenchusError(
      'protocol_violation',
      `Row lengths add up to ${at}, but the blob has ${flat.length} elements.`,
    )
  }
  return rows
}
