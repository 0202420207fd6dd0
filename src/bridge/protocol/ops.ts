import type * as z from 'zod'
import type { BlobArray } from './blobs.ts'
import type { BlobSpec, OpDefinition } from './define-op.ts'
import { ADAPTER_OPS } from './ops/adapter.ts'
import { INFERENCE_OPS } from './ops/inference.ts'
import { MODEL_OPS } from './ops/model.ts'
import { TRAINING_OPS } from './ops/training.ts'

/** Every operation of the wire: the schemas of what is sent, streamed and answered. */
export const OPS = {
  ...MODEL_OPS,
  ...ADAPTER_OPS,
  ...INFERENCE_OPS,
  ...TRAINING_OPS,
} as const satisfies Record<string, OpDefinition>

export type Op = keyof typeof OPS

type RequiredBlobs<Spec extends BlobSpec> = {
  readonly [Name in keyof Spec as Spec[Name] extends { optional: true } ? never : Name]: BlobArray<
    Spec[Name]['dtype']
  >
}
type OptionalBlobs<Spec extends BlobSpec> = {
  readonly [Name in keyof Spec as Spec[Name] extends { optional: true } ? Name : never]?: BlobArray<
    Spec[Name]['dtype']
  >
}
type BlobsOf<Spec extends BlobSpec> = RequiredBlobs<Spec> & OptionalBlobs<Spec>
type EventOf<Schema> = Schema extends z.ZodType ? z.output<Schema> : never

/** Types per operation: `OpMap['generate']['request']` and so on. */
export type OpMap = {
  readonly [Name in Op]: {
    readonly request: z.input<(typeof OPS)[Name]['request']>
    readonly requestBlobs: BlobsOf<(typeof OPS)[Name]['requestBlobs']>
    readonly result: z.output<(typeof OPS)[Name]['result']>
    readonly resultBlobs: BlobsOf<(typeof OPS)[Name]['resultBlobs']>
    readonly event: EventOf<(typeof OPS)[Name]['event']>
    readonly eventBlobs: BlobsOf<(typeof OPS)[Name]['eventBlobs']>
  }
}

export function isOp(name: string): name is Op {
  return Object.hasOwn(OPS, name)
}
