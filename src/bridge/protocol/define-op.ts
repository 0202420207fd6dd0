import type * as z from 'zod'
import type { BlobDtype } from './header.ts'

/** The blobs of a message by name; an `optional` one belongs to some variants of the body only. */
export type BlobSpec = Readonly<Record<string, { readonly dtype: BlobDtype; readonly optional?: true }>>

type Body = z.ZodType<Record<string, unknown>, Record<string, unknown>>

/** Everything that travels for one operation. */
export interface OpDefinition {
  readonly request: Body
  readonly requestBlobs: BlobSpec
  readonly result: Body
  readonly resultBlobs: BlobSpec
  /** The operation's own event; `null` where it reports progress only. */
  readonly event: Body | null
  readonly eventBlobs: BlobSpec
}

/** An operation without blobs and without events of its own; spread it and add what there is. */
export const PLAIN = { requestBlobs: {}, resultBlobs: {}, event: null, eventBlobs: {} } as const

/** Token ids of several rows: `ids`, one row after the other, and `ids_lengths`. */
export const RAGGED_IDS = { ids: { dtype: 'i32' }, ids_lengths: { dtype: 'i32' } } as const
