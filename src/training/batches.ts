import { deriveSeed, Rng } from '../random.ts'

/** A shuffled order of `n` items that depends on (seed, epoch) only, so that any step can be recomputed on resume. */
export function epochOrder(n: number, seed: number, epoch: number): number[] {
  return new Rng(deriveSeed(seed, 'epoch', epoch)).shuffle(Array.from({ length: n }, (_, index) => index))
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
 * Item indices of optimiser step `step` (1-based). An epoch visits every item once; its last batch may be
 * smaller.
 */
export function batchAt(n: number, batch: number, seed: number, step: number): number[] {
  const perEpoch = Math.ceil(n / batch)
  const epoch = Math.floor((step - 1) / perEpoch)
  const start = ((step - 1) % perEpoch) * batch
  return epochOrder(n, seed, epoch).slice(start, start + batch)
}
