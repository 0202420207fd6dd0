import type { Rng } from '../../random.ts'
import type { Property, Rule, Track, WordSupply } from './ontology.ts'
import type { Fact, Sketch } from './sketch.ts'

/**
 * What a proof needs besides modus ponens: a conjunction taken apart or made, a disjunction made, or one whose other
 * side is denied.
 */
export const RULE_TYPES = [
  'modus_ponens',
  'and_elim',
  'and_intro',
  'or_intro',
  'disjunctive_syllogism',
] as const
export type RuleType = (typeof RULE_TYPES)[number]

/**
 * Puts one use of a rule into the subject's proof. The decoys are worded likewise, and the subject has what their
 * conjunctions need besides, so that the wording does not tell the tracks apart.
 *
 * @returns undefined if the vocabulary has too few words for this draw.
 */
export function twist(rng: Rng, type: RuleType, sketch: Sketch, words: WordSupply): Sketch | undefined {
  if (type === 'modus_ponens') return sketch
  return type === 'disjunctive_syllogism'
    ? withDisjunction(rng, sketch, words)
    : withCompounds(rng, type, sketch, words)
}

/** "Max is a wumpus or a gorpus. Max is not a gorpus.", where gorpuses are on the way to the decoy. */
function withDisjunction(rng: Rng, sketch: Sketch, words: WordSupply): Sketch | undefined {
  const [first, ...others] = sketch.facts
  const name = sketch.ontology.tracks[1]?.[0]?.of ?? words.class()
  if (name === undefined) return undefined
  const predicate = { kind: 'class', name } as const
  const either: Fact = { ...first, or: { predicate, first: rng.next() < 0.5 } }
  return { ...sketch, facts: [either, { subject: first.subject, predicate, denied: true }, ...others] }
}

function withCompounds(
  rng: Rng,
  type: 'and_elim' | 'and_intro' | 'or_intro',
  sketch: Sketch,
  words: WordSupply,
): Sketch | undefined {
  const tracks: Track[] = []
  const needed: Fact[] = []
  for (const track of sketch.ontology.tracks) {
    const name = words.property()
    if (name === undefined) return undefined
    const predicate: Property = { kind: 'property', name, negated: false }
    const place = rng.int(Math.max(1, track.length))
    tracks.push(track.map((rule, index) => (index === place ? compound(rule, type, predicate) : rule)))
    if (type === 'and_intro' && track.length > 0) needed.push({ subject: sketch.query.subject, predicate })
  }
  return {
    ...sketch,
    ontology: { ...sketch.ontology, tracks },
    facts: [...sketch.facts, ...needed],
  }
}

function compound(rule: Rule, type: 'and_elim' | 'and_intro' | 'or_intro', predicate: Property): Rule {
  if (type === 'and_elim') return { ...rule, besides: predicate }
  return { ...rule, condition: { joined: type === 'and_intro' ? 'and' : 'or', predicate } }
}
