import type { Rng } from '../../random.ts'
import type { Rule } from './ontology.ts'
import type { Fact, Sketch } from './sketch.ts'

/**
 * `random`: facts and rules shuffled together. `forward`: facts first, then each track from its start, so
 * that a chain can be read from top to bottom. `backward`: the reverse of that.
 */
export const ORDERS = ['random', 'forward', 'backward'] as const
export type Order = (typeof ORDERS)[number]

export type Premise = { readonly fact: Fact } | { readonly rule: Rule }

/** The premises in the order in which they will be numbered. */
export function orderPremises(sketch: Sketch, order: Order, rng: Rng): Premise[] {
  const { tracks, branches } = sketch.ontology
  const facts = rng.shuffle(sketch.facts).map((fact) => ({ fact }))
  // The subject's track has no place of its own, nor have branches among the rules of their class.
  const rules = rng
    .shuffle(tracks)
    .flatMap((track) =>
      track.flatMap((rule) => rng.shuffle([rule, ...branches.filter((branch) => branch.of === rule.of)])),
    )
  const forward = [...facts, ...rules.map((rule) => ({ rule }))]
  if (order === 'forward') return forward
  return order === 'backward' ? forward.reverse() : rng.shuffle(forward)
}
