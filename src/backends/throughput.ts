import * as z from 'zod'
import type { BackendUsage, WorkUsage } from './backend.ts'
import { peakOf } from '../plan/peaks.ts'

/** Of one kind of work in a stage. */
const rateSchema = z.object({
  /** Sampled; read by the model in training, a prompt that several completions share once; or scored. */
  tokens: z.number(),
  /** In which any worker served a request that did it. */
  seconds: z.number(),
  tokens_per_second: z.number().nullable(),
  /** What the model itself needs for these tokens: `docs/throughput.md`. */
  flop: z.number(),
  /** Share of the peak of all devices, idle ones included; null where it is not known, as on a CPU. */
  mfu: z.number().nullable(),
})
type Rate = Readonly<z.infer<typeof rateSchema>>

const throughputSchema = z.object({
  device: z.string(),
  devices: z.number(),
  dtype: z.string(),
  /** Dense FLOP/s of one device; null where it is not known. */
  peak_flops: z.number().nullable(),
  generated: rateSchema.nullable(),
  trained: rateSchema.nullable(),
  scored: rateSchema.nullable(),
  /** Of all kinds together, while workers served them. */
  mfu: z.number().nullable(),
})

/** What the attempt that finished a stage did; null for a kind of work that it had none of. */
export type StageThroughput = Readonly<z.infer<typeof throughputSchema>>

/** Null of a backend that does not tell, and of a stage without any such work. */
export function throughputOf(before: BackendUsage, after: BackendUsage): StageThroughput | null {
  const { device, work } = after
  if (work === undefined || device === undefined) return null
  const peak = peakOf(device.name, device.dtype)
  const done = (kind: 'generated' | 'trained' | 'scored'): WorkUsage =>
    difference(before.work?.[kind], work[kind])
  const kinds = [done('generated'), done('trained'), done('scored')] as const
  const [generated, trained, scored] = kinds
  if (kinds.every(({ tokens }) => tokens === 0)) return null
  const mfuOf = (flop: number, seconds: number): number | null =>
    peak !== null && seconds > 0 ? flop / (seconds * device.count * peak) : null
  const rate = ({ tokens, flop, seconds }: WorkUsage): Rate => ({
    tokens,
    seconds,
    tokens_per_second: seconds > 0 ? tokens / seconds : null,
    flop,
    mfu: mfuOf(flop, seconds),
  })
  const rateOf = (work: WorkUsage): Rate | null => (work.tokens > 0 ? rate(work) : null)
  return {
    device: device.name,
    devices: device.count,
    dtype: device.dtype,
    peak_flops: peak,
    generated: rateOf(generated),
    trained: rateOf(trained),
    scored: rateOf(scored),
    mfu: mfuOf(
      kinds.reduce((sum, { flop }) => sum + flop, 0),
      work.seconds - (before.work?.seconds ?? 0),
    ),
  }
}

/** The throughput in a stage's summary, which may be of any stage and any release; null where it has none. */
export function throughputIn(summary: unknown): StageThroughput | null {
  const parsed = z.looseObject({ throughput: throughputSchema }).safeParse(summary)
  return parsed.success ? parsed.data.throughput : null
}

function difference(before: WorkUsage | undefined, after: WorkUsage): WorkUsage {
  return {
    tokens: after.tokens - (before?.tokens ?? 0),
    flop: after.flop - (before?.flop ?? 0),
    seconds: after.seconds - (before?.seconds ?? 0),
  }
}
