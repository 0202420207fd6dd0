import * as z from 'zod'
import { PLAIN, type OpDefinition } from '../define-op.ts'
import { DEADLINE, seedSchema } from './model.ts'

const name = z.string().min(1)
const path = z.string().min(1)
const fingerprint = z.string().min(1)
const nothing = z.object({})

const adapterCreate = {
  ...PLAIN,
  request: z.object({
    ...DEADLINE,
    name,
    rank: z.number().int().positive(),
    alpha: z.number().positive(),
    dropout: z.number().min(0).lt(1),
    target_modules: z.union([z.literal('all-linear'), z.array(z.string().min(1)).min(1)]),
    seed: seedSchema,
  }),
  result: z.object({ trainable_parameters: z.number().int().positive() }),
} satisfies OpDefinition

const adapterLoad = {
  ...PLAIN,
  request: z.object({ ...DEADLINE, name, path, trainable: z.boolean() }),
  result: z.object({ fingerprint }),
} satisfies OpDefinition

/** Writes a PEFT folder atomically; the fingerprint is the SHA-256 of its weights file. */
const adapterSave = {
  ...PLAIN,
  request: z.object({ ...DEADLINE, name, path }),
  result: z.object({ fingerprint }),
} satisfies OpDefinition

const byName = { ...PLAIN, request: z.object({ ...DEADLINE, name }), result: nothing } satisfies OpDefinition

export const ADAPTER_OPS = {
  'adapter.create': adapterCreate,
  'adapter.load': adapterLoad,
  'adapter.save': adapterSave,
  'adapter.freeze': byName,
  'adapter.drop': byName,
} as const
