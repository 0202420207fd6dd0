import * as z from 'zod'

type Body = z.ZodType<Record<string, unknown>, Record<string, unknown>>
type BlobBody = z.ZodType<Record<string, unknown>>

/** Everything that travels for one operation: bodies as msgpack, arrays as blobs by name. */
export interface OpDefinition {
  readonly request: Body
  readonly requestBlobs: BlobBody
  readonly result: Body
  readonly resultBlobs: BlobBody
  /** The operation's own event; `null` where it reports progress only. */
  readonly event: Body | null
  readonly eventBlobs: BlobBody
}

export const i32 = z.custom<Int32Array>((value) => value instanceof Int32Array, 'an i32 blob is missing')
export const f32 = z.custom<Float32Array>((value) => value instanceof Float32Array, 'an f32 blob is missing')
export const f64 = z.custom<Float64Array>((value) => value instanceof Float64Array, 'an f64 blob is missing')
export const u8 = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'a u8 blob is missing')

const NO_BLOBS = z.strictObject({})

/** An operation without blobs and without events of its own; spread it and add what there is. */
export const PLAIN = {
  requestBlobs: NO_BLOBS,
  resultBlobs: NO_BLOBS,
  event: null,
  eventBlobs: NO_BLOBS,
} as const

/** Token ids of several rows: `ids`, one row after the other, and `ids_lengths`. */
export const RAGGED_IDS = z.strictObject({ ids: i32, ids_lengths: i32 })
