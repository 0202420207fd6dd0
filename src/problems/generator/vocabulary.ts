/** What a generated ontology is made of. */
export interface Vocabulary {
  /** Class nouns, singular. */
  readonly classes: readonly string[]
  /** Runs of classes, each included in the next; chains of rules come from one run. Absent: any class may follow any other. */
  readonly taxonomies?: readonly (readonly string[])[]
}

/** The class names of the official PrOntoQA generator's fictional ontology (Saparov and He, 2023). */
const FICTIONAL_CLASSES = [
  'wumpus',
  'yumpus',
  'zumpus',
  'dumpus',
  'rompus',
  'numpus',
  'tumpus',
  'vumpus',
  'impus',
  'jompus',
  'gorpus',
  'shumpus',
  'lempus',
  'sterpus',
  'grimpus',
  'lorpus',
  'brimpus',
] as const

/** Real inclusions, most special first; no class stands in two runs, so that chains never meet. */
const TAXONOMIES = [
  ['tabby', 'cat', 'feline', 'carnivore', 'mammal', 'vertebrate'],
  ['butterfly', 'lepidopteran', 'insect', 'arthropod', 'invertebrate'],
  ['sparrow', 'songbird', 'bird'],
  ['violinist', 'musician', 'performer', 'entertainer'],
  ['novelist', 'writer', 'author', 'creator'],
  ['baker', 'cook', 'worker', 'earner'],
] as const

/** The property families of the official generator; in ordinary use the members of one exclude each other. */
export const PROPERTY_FAMILIES: readonly (readonly string[])[] = [
  ['blue', 'red', 'brown', 'orange'],
  ['small', 'large'],
  ['metallic', 'wooden', 'luminous', 'liquid'],
  ['transparent', 'opaque'],
  ['nervous', 'happy', 'feisty', 'shy'],
  ['bright', 'dull'],
  ['sweet', 'sour', 'spicy', 'bitter'],
  ['floral', 'fruity', 'earthy'],
  ['hot', 'cold', 'temperate'],
  ['kind', 'mean', 'angry', 'amenable', 'aggressive'],
  ['melodic', 'muffled', 'discordant', 'loud'],
  ['slow', 'moderate', 'fast'],
  ['windy', 'sunny', 'overcast', 'rainy', 'snowy'],
]

/** The names of the official generator. */
export const NAMES: readonly string[] = [
  'Fae',
  'Rex',
  'Sally',
  'Max',
  'Alex',
  'Sam',
  'Polly',
  'Stella',
  'Wren',
]

/**
 * `fictional`: made-up classes in made-up relations; `real-words`: the same with words that mean something
 * (the official "false ontology"); `taxonomy`: the relations between classes are true, the properties made up.
 */
export const ONTOLOGIES = ['fictional', 'real-words', 'taxonomy'] as const
export type Ontology = (typeof ONTOLOGIES)[number]

export const VOCABULARIES: Readonly<Record<Ontology, Vocabulary>> = {
  fictional: { classes: FICTIONAL_CLASSES },
  'real-words': { classes: TAXONOMIES.flat() },
  taxonomy: { classes: TAXONOMIES.flat(), taxonomies: TAXONOMIES },
}
