import type { Label } from '../../logic/truth.ts'
import type { Rng } from '../../random.ts'
import { trackOf, WordSupply, type Ontology, type Predicate, type Property, type Rule } from './ontology.ts'
import { type RuleType, twist } from './twist.ts'
import { NAMES, type Vocabulary } from './vocabulary.ts'

export interface Fact {
  readonly subject: string
  readonly predicate: Predicate
  /** "Max is a wumpus or a gorpus.": what else it may be, and whether that is said first. */
  readonly or?: { readonly predicate: Predicate; readonly first: boolean }
  /** "Max is not a gorpus.", of classes. */
  readonly denied?: boolean
}

/** A problem before it is put into words. */
export interface Sketch {
  readonly label: Label
  /** The first track is the subject's own. */
  readonly ontology: Ontology
  /** The first fact places the subject at the start of its track. */
  readonly facts: readonly [Fact, ...Fact[]]
  readonly query: Fact & { readonly predicate: Property }
}

/** What is asked of one problem. */
export interface Shape {
  readonly label: Label
  /** Rules on the subject's own track. */
  readonly hops: number
  /** Tracks of other classes, one or two (none only if there are no distractor rules). */
  readonly decoys: number
  readonly distractorRules: number
  readonly distractorFacts: number
  /** What the proof needs, besides modus ponens. */
  readonly rule: RuleType
}

/**
 * Draws a problem whose label can be read only by following the rules from the subject.
 *
 * The queried property stands at the end of two tracks, once with each polarity; with two decoys a third
 * track ends in another property. The label decides only which of the tracks is the subject's; all else is drawn
 * without looking at it. Where the distractor rules suffice to make the decoys as long as the subject's track,
 * the tracks are exchangeable, and nothing but the fact that places the subject tells them apart. A property
 * of the query never stands in the condition of a rule, so contrapositives decide no query.
 *
 * @returns undefined if the vocabulary has too few words for this draw.
 */
export function sketchProblem(rng: Rng, shape: Shape, vocabulary: Vocabulary): Sketch | undefined {
  const words = new WordSupply(rng, vocabulary)
  const names = rng.shuffle(NAMES)
  const subject = names.pop()
  const queried = words.exclusiveProperty()
  const other = words.property()
  if (subject === undefined || queried === undefined || other === undefined) return undefined
  const query: Property = { kind: 'property', name: queried, negated: coin(rng) }
  const { lengths, branches } = spendRules(rng, shape)
  const ends = trackEnds(rng, shape.label, query, { kind: 'property', name: other, negated: coin(rng) })
  const tracks = []
  for (const [index, length] of [shape.hops, ...lengths].entries()) {
    const classes = words.chain(rng, length)
    const end = ends[index]
    if (classes === undefined || end === undefined) return undefined
    tracks.push(trackOf(classes, end))
  }
  const classes = tracks.flat().map((rule) => rule.of)
  const branchRules: Rule[] = []
  for (let k = 0; k < branches; k++) {
    const predicate = deadEnd(rng, words)
    if (predicate === undefined) return undefined
    branchRules.push({ of: rng.pick(classes), predicate })
  }
  const first: Fact = { subject, predicate: { kind: 'class', name: classes[0]! } }
  const further = furtherFacts(rng, shape.distractorFacts, { subject, names, classes, queried, words })
  if (further === undefined) return undefined
  const plain: Sketch = {
    label: shape.label,
    ontology: { tracks, branches: branchRules },
    facts: [first, ...further],
    query: { subject, predicate: query },
  }
  return twist(rng, shape.rule, plain, words)
}

/** Decoys grow evenly until they are as long as the subject's track; the rules that are left become branches. */
function spendRules(rng: Rng, shape: Shape): { lengths: number[]; branches: number } {
  const { decoys, distractorRules, hops } = shape
  const onDecoys = Math.min(distractorRules, decoys * hops)
  const lengths = Array.from({ length: decoys }, (_, k) => Math.floor((onDecoys + k) / decoys))
  return { lengths: rng.shuffle(lengths), branches: distractorRules - onDecoys }
}

/** What the subject's track and the decoys end in. */
function trackEnds(rng: Rng, label: Label, query: Property, other: Property): Property[] {
  const opposite = { ...query, negated: !query.negated }
  if (label === 'UNKNOWN') return [other, ...rng.shuffle([query, opposite])]
  const [own, decoy] = label === 'TRUE' ? [query, opposite] : [opposite, query]
  // With a single decoy it is the opposite polarity that must be there.
  return [own, decoy, other]
}

/** A class or property that leads nowhere. */
function deadEnd(rng: Rng, words: WordSupply): Predicate | undefined {
  const className = coin(rng) ? words.class() : undefined
  if (className !== undefined) return { kind: 'class', name: className }
  const name = words.property()
  return name === undefined ? undefined : { kind: 'property', name, negated: coin(rng) }
}

interface FactSources {
  readonly subject: string
  /** Names that nobody bears yet; each gets one fact at most, so that nobody is contradicted. */
  readonly names: string[]
  readonly classes: readonly string[]
  readonly queried: string
  readonly words: WordSupply
}

/** Facts that do not bear on the query: dead ends of the subject, and others who stand on a track or have the queried property. */
function furtherFacts(rng: Rng, count: number, from: FactSources): Fact[] | undefined {
  const facts: Fact[] = []
  for (let k = 0; k < count; k++) {
    const name = coin(rng) ? from.names.pop() : undefined
    const predicate = name === undefined ? deadEnd(rng, from.words) : otherPredicate(rng, from)
    if (predicate === undefined) return undefined
    facts.push({ subject: name ?? from.subject, predicate })
  }
  return facts
}

function otherPredicate(rng: Rng, from: FactSources): Predicate {
  const name = rng.pick([...from.classes, from.queried])
  return name === from.queried ? { kind: 'property', name, negated: coin(rng) } : { kind: 'class', name }
}

function coin(rng: Rng): boolean {
  return rng.next() < 0.5
}
