import type { Rng } from '../../random.ts'
import { PROPERTY_FAMILIES, type Vocabulary } from './vocabulary.ts'

/** What a rule or a fact says of its subject: membership of a class, or a property it has or lacks. */
export type Predicate =
  | { readonly kind: 'class'; readonly name: string }
  | { readonly kind: 'property'; readonly name: string; readonly negated: boolean }
export type Property = Extract<Predicate, { kind: 'property' }>

/** "Every `of` is `predicate`." */
export interface Rule {
  readonly of: string
  readonly predicate: Predicate
  /** A second condition: "Everything that is a yumpus and red is a wumpus." */
  readonly condition?: { readonly joined: 'and' | 'or'; readonly predicate: Predicate }
  /** A further consequence, which is said first: "Every yumpus is red and a wumpus." */
  readonly besides?: Predicate
}

/** Rules that lead from the first rule's class to a property: all but the last name the next one's class. */
export type Track = readonly Rule[]

export interface Ontology {
  /** No class of one track leads to a class of another. */
  readonly tracks: readonly Track[]
  /** Rules that lead from a track's class to a dead end. */
  readonly branches: readonly Rule[]
}

/** Deals out words, each at most once per problem: no atom can then be derived in two ways or contradicted. */
export class WordSupply {
  #classes: string[]
  #properties: string[]
  readonly #taxonomies: (readonly string[])[] | undefined

  constructor(rng: Rng, vocabulary: Vocabulary) {
    this.#classes = rng.shuffle(vocabulary.classes)
    this.#taxonomies = vocabulary.taxonomies === undefined ? undefined : rng.shuffle(vocabulary.taxonomies)
    this.#properties = rng.shuffle(PROPERTY_FAMILIES.flat())
  }

  /** An unused property, or undefined when none is left. */
  property(): string | undefined {
    return this.#properties.pop()
  }

  /** An unused property; no other member of its family will be dealt afterwards. */
  exclusiveProperty(): string | undefined {
    const name = this.property()
    const family = PROPERTY_FAMILIES.find((members) => name !== undefined && members.includes(name))
    this.#properties = this.#properties.filter((other) => family?.includes(other) !== true)
    return name
  }

  /** An unused class, or undefined when none is left. */
  class(): string | undefined {
    return this.#classes.pop()
  }

  /** `length` unused classes, each to be included in the next, or undefined when there is no such run left. */
  chain(rng: Rng, length: number): readonly string[] | undefined {
    if (this.#taxonomies === undefined) {
      return this.#classes.length < length ? undefined : this.#classes.splice(this.#classes.length - length)
    }
    const index = this.#taxonomies.findIndex((run) => run.length >= length)
    const run = this.#taxonomies[index]
    if (run === undefined) return undefined
    this.#taxonomies.splice(index, 1)
    const start = rng.int(run.length - length + 1)
    const chain = run.slice(start, start + length)
    this.#classes = this.#classes.filter((name) => !chain.includes(name))
    return chain
  }
}

/** The rules of a chain of classes that ends in a property. */
export function trackOf(classes: readonly string[], end: Property): Track {
  return classes.map((of, index) => {
    const next = classes[index + 1]
    return { of, predicate: next === undefined ? end : { kind: 'class', name: next } }
  })
}

/** The same text exactly for the same rule set, whatever the order and wording of its sentences. */
export function ontologyKey(ontology: Ontology): string {
  return [...ontology.tracks.flat(), ...ontology.branches].map(ruleKey).sort().join(';')
}

function ruleKey({ of, predicate, condition, besides }: Rule): string {
  const conditions =
    condition === undefined ? of : `${of} ${condition.joined} ${predicateKey(condition.predicate)}`
  const consequences = besides === undefined ? '' : `${predicateKey(besides)} and `
  return `${conditions}>${consequences}${predicateKey(predicate)}`
}

/** The same text exactly for the same predicate. */
export function predicateKey(predicate: Predicate): string {
  return predicate.kind === 'property' && predicate.negated ? `not ${predicate.name}` : predicate.name
}
