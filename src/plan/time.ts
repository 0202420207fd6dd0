import { peakOf } from './peaks.ts'
import { embeddings, parameters, type Shape } from './shape.ts'

/** What a device does per second. */
export interface Speed {
  readonly name: string
  /** Multiply-adds count as two. */
  readonly flops: number
  /** Bytes from memory. */
  readonly bandwidth: number
  readonly memoryBytes: number | null
}

const GIB = 2 ** 30

function gpu(of: Omit<Speed, 'flops'>): Speed {
  const flops = peakOf(of.name, 'bfloat16')
  if (flops === null) throw new RangeError(`There is no peak of ${of.name}.`)
  return { ...of, flops }
}

/** Bandwidth and memory of the data sheets; the CPU is one thread of a common server. */
export const SPEEDS: Readonly<Record<string, Speed>> = {
  h200: gpu({ name: 'H200', bandwidth: 4.8e12, memoryBytes: 141e9 }),
  h100: gpu({ name: 'H100', bandwidth: 3.35e12, memoryBytes: 80 * GIB }),
  a100: gpu({ name: 'A100', bandwidth: 2.0e12, memoryBytes: 80 * GIB }),
  l40s: gpu({ name: 'L40S', bandwidth: 0.864e12, memoryBytes: 48e9 }),
  rtx4090: gpu({ name: 'RTX 4090', bandwidth: 1.0e12, memoryBytes: 24e9 }),
  cpu: { name: 'CPU, one thread', flops: 40e9, bandwidth: 10e9, memoryBytes: null },
}

/** Shares of the peak that are reached: training, reading prompts, and of bandwidth in decoding. */
const REACHED = { training: 0.4, prefill: 0.4, decode: 0.5 } as const

/** Seconds of sampling on so many devices: each decode step reads the weights and the caches, or multiplies. */
export function generationSeconds(
  shape: Shape,
  speed: Speed,
  load: {
    readonly sequences: number
    readonly prompts: number
    readonly promptTokens: number
    readonly newTokens: number
    readonly slots: number
    readonly bytes: number
    readonly devices: number
  },
): number {
  const active = parameters(shape) - (shape.tied ? 0 : embeddings(shape) / 2)
  const slots = Math.max(1, Math.min(load.slots, load.sequences / load.devices))
  const context = load.promptTokens + load.newTokens / 2
  const cache = 2 * shape.layers * shape.kvHeads * shape.headDim * load.bytes * context
  const step = Math.max(
    (active * load.bytes + slots * cache) / (speed.bandwidth * REACHED.decode),
    (slots * 2 * active) / (speed.flops * REACHED.prefill),
  )
  const steps = (load.sequences * load.newTokens) / slots / load.devices
  const prefill =
    (load.prompts * load.promptTokens * 2 * active) / (speed.flops * REACHED.prefill * load.devices)
  return steps * step + prefill
}

/** Seconds of training passes over so many tokens: 4N FLOP each for an adapter, 6N for all weights, 2N to score. */
export function trainingSeconds(
  shape: Shape,
  speed: Speed,
  load: { readonly tokens: number; readonly scored: number; readonly all: boolean; readonly devices: number },
): number {
  const active = parameters(shape) - (shape.tied ? 0 : embeddings(shape) / 2)
  const flop = load.tokens * (load.all ? 6 : 4) * active + load.scored * 2 * active
  return flop / (speed.flops * REACHED.training * load.devices)
}
