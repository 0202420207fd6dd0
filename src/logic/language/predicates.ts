import type { Language } from './parser.ts'

/**
 * How English words become predicate names. A class is its noun ("wumpus", "natural_number"), a property is
 * "is_" and its adjective ("is_red"), a relation its verb ("chase"), so a noun and an adjective that are spelled alike
 * (a fruit called orange, the colour) stay two predicates, and a formula can be turned back into English.
 */
const PROPERTY = 'is_'

export function classPredicate(noun: string): string {
  return noun.replaceAll(' ', '_')
}

export function propertyPredicate(adjective: string): string {
  return PROPERTY + adjective
}

/** The adjective of a property, null if the predicate is a class or a relation. */
export function adjectiveOf(predicate: string): string | null {
  return predicate.startsWith(PROPERTY) ? predicate.slice(PROPERTY.length) : null
}

export function nounOf(predicate: string): string {
  return predicate.replaceAll('_', ' ')
}

/** Whether `word`, as a person writes it in an option's argument, names the predicate. */
export function namesPredicate(word: string, predicate: string, language: Language): boolean {
  if (word === predicate) return true
  return language !== 'fol' && (word === adjectiveOf(predicate) || word === nounOf(predicate))
}
