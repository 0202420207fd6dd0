import { deriveSeed, Rng } from '../random.ts'

/**
 * Shuffled orders of `n` items. That of an epoch depends on (seed, epoch) only, so that any step can be recomputed on
 * resume; the last one asked for is remembered.
 */
export function epochOrders(n: number, seed: number): (epoch: number) => readonly number[] {
  return groupedOrders(
    Array.from({ length: n }, (_, index) => [index]),
    seed,
  )
}

/** The same with the members of a group one behind the other, in their order. */
function groupedOrders(
  groups: readonly (readonly number[])[],
  seed: number,
): (epoch: number) => readonly number[] {
  let last: { readonly epoch: number; readonly order: readonly number[] } | null = null
  return (epoch) => {
    if (last?.epoch !== epoch) {
      last = { epoch, order: new Rng(deriveSeed(seed, 'epoch', epoch)).shuffle([...groups]).flat() }
    }
    return last.order
  }
}

/** Indices of equal keys together, in the order in which the keys appear. */
export function indicesByKey(keys: Iterable<string>): number[][] {
  const groups = new Map<string, number[]>()
  let index = 0
  for (const key of keys) {
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [index])
    else group.push(index)
    index++
  }
  return [...groups.values()]
}

/** Optimiser steps for `n` items: `max_steps` if given, else `num_epochs` over the data. */
export function totalSteps(
  n: number,
  batch: number,
  config: { readonly num_epochs: number; readonly max_steps?: number | undefined },
): number {
  return config.max_steps ?? Math.max(1, Math.ceil(Math.ceil(n / batch) * config.num_epochs))
}

type BatchAt = (step: number) => readonly number[]

/**
 * Item indices of an optimiser step (1-based). An epoch visits every item once; its last batch may be smaller.
 */
export function batchesOf(n: number, batch: number, seed: number): BatchAt {
  return batchesIn(epochOrders(n, seed), n, batch)
}

/**
 * The same with the items of a group together, so that a step reads what they share once. Every step has `batch` items
 * nevertheless: a group is torn where a step is full, and nowhere else. The groups hold each of 0..n-1 once.
 */
export function groupedBatchesOf(
  groups: readonly (readonly number[])[],
  batch: number,
  seed: number,
): BatchAt {
  return batchesIn(groupedOrders(groups, seed), groups.flat().length, batch)
}

function batchesIn(orderOf: (epoch: number) => readonly number[], n: number, batch: number): BatchAt {
  const perEpoch = Math.ceil(n / batch)
  return (step) => {
    const epoch = Math.floor((step - 1) / perEpoch)
    const start = ((step - 1) % perEpoch) * batch
    return orderOf(epoch).slice(start, start + batch)
  }
}
