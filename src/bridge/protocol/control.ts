import * as z from 'zod'
import { countSchema } from './header.ts'

/** A worker introduces itself. Fields that decide whether it is admitted come first. */
export const helloSchema = z.object({
  token: z.string(),
  protocol: z.number().int(),
  rank: countSchema,
  epoch: countSchema,
  world_size: z.number().int().positive(),
  local_rank: countSchema,
  device: z.string(),
  pid: z.number().int().positive(),
  capabilities: z.array(z.string()),
  versions: z.record(z.string(), z.string()),
  warnings: z.array(z.string()),
  /** Sequences the worker takes at once over all its open requests. */
  credits: z.number().int().positive(),
})
export type Hello = z.infer<typeof helloSchema>

export const welcomeSchema = z.object({
  /** Seconds between pings. */
  heartbeat_s: z.number().positive(),
})

export const acceptedSchema = z.object({})
export const pingSchema = z.object({})
export const cancelSchema = z.object({})
export const byeSchema = z.object({})

/** `beat` grows whenever the compute loop makes progress: "alive" and "progressing" are told apart by it. */
export const pongSchema = z.object({
  phase: z.string(),
  phase_s: z.number().nonnegative(),
  busy: z.string().nullable(),
  beat: countSchema,
})
export type Pong = z.infer<typeof pongSchema>

export const errorBodySchema = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().nullish(),
  retryable: z.boolean(),
  details: z.record(z.string(), z.unknown()),
})
export type ErrorBody = z.infer<typeof errorBodySchema>

/** Progress of a request; the worker may coalesce these, so the last one counts. */
export const progressSchema = z.looseObject({
  type: z.literal('progress'),
  phase: z.string(),
  done: z.number().nonnegative().nullish(),
  total: z.number().nonnegative().nullish(),
})
export type Progress = z.infer<typeof progressSchema>

/** Bodies of the kinds that belong to no operation. */
export const CONTROL_BODIES = {
  hello: helloSchema,
  welcome: welcomeSchema,
  accepted: acceptedSchema,
  error: errorBodySchema,
  ping: pingSchema,
  pong: pongSchema,
  cancel: cancelSchema,
  bye: byeSchema,
} as const
