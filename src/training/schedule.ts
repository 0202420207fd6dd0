import type { OptimisationConfig } from '../config/training.ts'

/**
 * Learning rate of optimiser step `step` (1-based) of `total`: linear warm-up from 0 over
 * `warmup_ratio` of the steps, then constant, linear to 0, or half a cosine to 0.
 */
export function learningRateAt(
  step: number,
  total: number,
  config: Pick<OptimisationConfig, 'learning_rate' | 'warmup_ratio' | 'schedule'>,
): number {
  const warmup = Math.round(config.warmup_ratio * total)
  if (step <= warmup) return (config.learning_rate * step) / warmup
  const progress = (step - warmup - 1) / Math.max(1, total - warmup)
  switch (config.schedule) {
    case 'constant':
      return config.learning_rate
    case 'linear':
      return config.learning_rate * (1 - progress)
    case 'cosine':
      return config.learning_rate * 0.5 * (1 + Math.cos(Math.PI * progress))
  }
}
