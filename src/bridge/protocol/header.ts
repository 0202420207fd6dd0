import * as z from 'zod'

/** Changes whenever an older worker could misread a message; both sides must agree exactly. */
export const PROTOCOL_VERSION = 1

export const MESSAGE_KINDS = [
  'hello',
  'welcome',
  'request',
  'accepted',
  'event',
  'result',
  'error',
  'ping',
  'pong',
  'cancel',
  'bye',
] as const
export type MessageKind = (typeof MESSAGE_KINDS)[number]

export const BLOB_DTYPES = ['i32', 'f32', 'f64', 'u8'] as const
export type BlobDtype = (typeof BLOB_DTYPES)[number]

/** What a request did, of what workers are there for. */
export const WORK_KINDS = ['generated', 'trained', 'scored'] as const
export type WorkKind = (typeof WORK_KINDS)[number]

export const countSchema = z.number().int().nonnegative()

const workSchema = z.object({ kind: z.enum(WORK_KINDS), tokens: countSchema, flop: z.number().nonnegative() })
export type Work = z.infer<typeof workSchema>

/** Describes one blob; its bytes follow the header in frames, little-endian and C-contiguous. */
export const blobSchema = z.object({
  name: z.string().min(1),
  dtype: z.enum(BLOB_DTYPES),
  shape: z.array(countSchema),
})
export type BlobDescription = z.infer<typeof blobSchema>

/** The first frame of every message. `body` is checked against the schema of its kind or operation. */
export const headerSchema = z.object({
  v: z.number().int(),
  kind: z.enum(MESSAGE_KINDS),
  /** Names the request; empty where a message belongs to none. */
  id: z.string(),
  op: z.string().optional(),
  body: z.record(z.string(), z.unknown()),
  blobs: z.array(blobSchema).optional(),
  /** Of `result` and `error`: seconds that the worker spent on the request, waiting and sending not counted. */
  served_s: z.number().nonnegative().optional(),
  /** Of a worker's first answer: seconds of its imports after its greeting, when requests may wait already. */
  import_s: z.number().nonnegative().optional(),
  /** Of a `result`: tokens that were sampled, read in training, or scored, and the model's FLOP for them. */
  work: workSchema.optional(),
})
export type Header = z.infer<typeof headerSchema>
