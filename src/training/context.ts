import type { ModelBackend, TrainingOptions, TrainingSession } from '../backends/backend.ts'
import type { LoraConfig, OptimisationConfig } from '../config/training.ts'
import { ElenchusError } from '../errors.ts'
import type { EventSink } from '../runs/events.ts'

/** What every stage is given besides its own input. */
export interface StageContext {
  readonly backend: ModelBackend
  readonly events: EventSink
  /** Continue an interrupted stage, and return the stored summary of a finished one. */
  readonly resume: boolean
  readonly signal?: AbortSignal | undefined
}

/** The backend's training entry point. @throws ElenchusError `capability_missing` before anything has started. */
export function requireTraining(
  backend: ModelBackend,
  stage: string,
): (options: TrainingOptions) => Promise<TrainingSession> {
  if (!backend.capabilities.train || backend.openTraining === undefined) {
    throw new ElenchusError('capability_missing', `${stage}: the backend "${backend.name}" cannot train.`)
  }
  return backend.openTraining.bind(backend)
}

export function optimizerOf(config: OptimisationConfig): TrainingOptions['optimizer'] {
  return {
    betas: config.betas,
    eps: config.eps,
    weightDecay: config.weight_decay,
    maxGradNorm: config.max_grad_norm,
  }
}

export function loraOf(config: LoraConfig): {
  rank: number
  alpha: number
  dropout: number
  targetModules: 'all-linear' | readonly string[]
} {
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
