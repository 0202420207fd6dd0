import type * as z from 'zod'
import type { OpDefinition } from './define-op.ts'
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

type EventOf<Schema> = Schema extends z.ZodType ? z.output<Schema> : never

/** Types per operation: `OpMap['generate']['request']` and so on. */
export type OpMap = {
  readonly [Name in Op]: {
    readonly request: z.input<(typeof OPS)[Name]['request']>
    readonly requestBlobs: z.output<(typeof OPS)[Name]['requestBlobs']>
    readonly result: z.output<(typeof OPS)[Name]['result']>
    readonly resultBlobs: z.output<(typeof OPS)[Name]['resultBlobs']>
    readonly event: EventOf<(typeof OPS)[Name]['event']>
    readonly eventBlobs: z.output<(typeof OPS)[Name]['eventBlobs']>
  }
}

/** The receiving side of one operation, typed by its name. */
interface Contract<Name extends Op> {
  readonly result: z.ZodType<OpMap[Name]['result']>
  readonly resultBlobs: z.ZodType<OpMap[Name]['resultBlobs']>
  readonly event: z.ZodType<OpMap[Name]['event']> | null
  readonly eventBlobs: z.ZodType<OpMap[Name]['eventBlobs']>
}

/** {@link OPS}, in a form in which a generic operation name finds its own types. */
export const CONTRACTS: { readonly [Name in Op]: Contract<Name> } = OPS
