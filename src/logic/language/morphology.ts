/**
 * Number and person of English words, both ways. The forward direction is a function; backwards there may be
 * several candidates ("lempuses": lempus, lempuse), and the caller's lexicon decides among them.
 */

/** Nouns of the official PrOntoQA generator and common ones whose plural follows no rule. */
const IRREGULAR_PLURALS: ReadonlyMap<string, string> = new Map([
  ['bacteria', 'bacteria'],
  ['child', 'children'],
  ['deer', 'deer'],
  ['fish', 'fishes'],
  ['food', 'food'],
  ['foot', 'feet'],
  ['goose', 'geese'],
  ['man', 'men'],
  ['mouse', 'mice'],
  ['person', 'people'],
  ['sheep', 'sheep'],
  ['sorpus', 'sorpus'],
  ['tooth', 'teeth'],
  ['wolf', 'wolves'],
  ['woman', 'women'],
  ['worpus', 'worpus'],
])
const IRREGULAR_SINGULARS = new Map([...IRREGULAR_PLURALS].map(([singular, plural]) => [plural, singular]))

const TAKES_ES = /(?:s|x|z|ch|sh)$/
const CONSONANT_Y = /[^aeiou]y$/

function withS(word: string): string {
  if (CONSONANT_Y.test(word)) return `${word.slice(0, -1)}ies`
  return TAKES_ES.test(word) ? `${word}es` : `${word}s`
}

/** "wumpus" -> "wumpuses", "butterfly" -> "butterflies", "sheep" -> "sheep". */
export function plural(noun: string): string {
  return IRREGULAR_PLURALS.get(noun) ?? withS(noun)
}

/** Every noun whose plural is `word`, the likeliest first; empty if the word has no plural's form. */
export function singulars(word: string): readonly string[] {
  const irregular = IRREGULAR_SINGULARS.get(word)
  if (irregular !== undefined) return [irregular]
  return stems(word).filter((noun) => !IRREGULAR_PLURALS.has(noun))
}

/** "chase" -> "chases", "carry" -> "carries", "teach" -> "teaches". */
export function thirdPerson(verb: string): string {
  return withS(verb)
}

/** The verb whose third person is `word`: the likeliest one, null if the word has no such form. */
export function baseVerb(word: string): string | null {
  return stems(word)[0] ?? null
}

/** All stems with `withS(stem) === word`; "-ies" prefers "-y", "-uses", "-sses", "-xes", "-ches", "-shes" drop "es". */
function stems(word: string): string[] {
  if (!word.endsWith('s') || word.endsWith('ss') || word.length < 3) return []
  const withoutS = word.slice(0, -1)
  const withoutEs = word.endsWith('es') ? [word.slice(0, -2)] : []
  const found = word.endsWith('ies')
    ? [`${word.slice(0, -3)}y`, withoutS]
    : /(?:us|ss|x|ch|sh)es$/.test(word)
      ? [...withoutEs, withoutS]
      : [withoutS, ...withoutEs]
  return found.filter((stem) => withS(stem) === word)
}

/** "a" or "an", by the first letters of the word that follows. */
export function article(word: string): 'a' | 'an' {
  return /^[aeiou]/i.test(word) && !/^(?:eu|uni|use|one(?![a-z]))/i.test(word) ? 'an' : 'a'
}
