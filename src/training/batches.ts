import { deriveSeed, Rng } from '../random.ts'

/**
 * Shuffled orders of `n` items. That of an epoch depends on (seed, epoch) only, so that any step can be recomputed on
 * resume; the last one asked for is remembered.
 */
export function epochOrders(n: number, seed: number): (epoch: number) => readonly number[] {
  let last: { readonly epoch: number; readonly order: readonly number[] } | null = null
  return (epoch) => {
    if (last?.epoch !== epoch) {
      const rng = new Rng(deriveSeed(seed, 'epoch', epoch))
      last = { epoch, order: rng.shuffle(Array.from({ length: n }, (_, index) => index)) }
    }
    return last.order
  }
}

/** Optimiser steps for `n` items: `max_steps` if given, else `num_epochs` over the data. */
export function totalSteps(
  n: number,
  batch: number,
  config: { readonly num_epochs: number; readonly max_steps?: number | undefined },
): number {
  return config.max_steps ?? Math.max(1, Math.ceil(Math.ceil(n / batch) * config.num_epochs))
}

/**
 * Item indices of an optimiser step (1-based). An epoch visits every item once; its last batch may be smaller.
 */
export function batchesOf(n: number, batch: number, seed: number): (step: number) => readonly number[] {
  const orderOf = epochOrders(n, seed)
  const perEpoch = Math.ceil(n / batch)
  return (step) => {
    const epoch = Math.floor((step - 1) / perEpoch)
    const start = ((step - 1) % perEpoch) * batch
    return orderOf(epoch).slice(start, start + batch)
  }
}
