import type { LoraOptions, TrainingOptions } from '../backends/backend.ts'
import type { LoraConfig, OptimisationConfig } from '../config/training.ts'

/**
 * What a resumed training may change: what fits into memory, and which checkpoints are written. Weights stay equal up
 * to rounding.
 */
export const MEMORY_ONLY = [
  'micro_batch_tokens',
  'gradient_checkpointing',
  'keep_checkpoints',
] as const satisfies readonly (keyof OptimisationConfig)[]

export function optimizerOf(config: OptimisationConfig): TrainingOptions['optimizer'] {
  return {
    betas: config.betas,
    eps: config.eps,
    weightDecay: config.weight_decay,
    maxGradNorm: config.max_grad_norm,
  }
}

export function loraOf(config: LoraConfig): LoraOptions {
  return {
    rank: config.rank,
    alpha: config.alpha,
    dropout: config.dropout,
    targetModules: config.target_modules,
  }
}

/** The items at the given indices, in that order. */
export function pick<T>(items: readonly T[], indices: readonly number[]): T[] {
  return indices.map((index) => {
    const item = items[index]
    if (item === undefined) throw new RangeError(`no item ${index} among ${items.length}`)
    return item
  })
}
