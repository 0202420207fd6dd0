import { article, plural } from '../../logic/language/morphology.ts'
import { capitalised } from '../../logic/language/words.ts'
import type { Rng } from '../../random.ts'
import type { Predicate, Rule } from './ontology.ts'
import type { Fact } from './sketch.ts'

/** `every`: one form of rule. `mixed`: "Every ...", "Each ..." and plurals, as the official generator writes. */
export const FORMS = ['every', 'mixed'] as const
export type Forms = (typeof FORMS)[number]

/** "Max is a wumpus.", "Max is not red." */
export function wordFact(fact: Fact): string {
  return `${fact.subject} is ${singular(fact.predicate)}.`
}

/** "Every yumpus is a wumpus.", "Each yumpus is not red.", "Yumpuses are wumpuses." */
export function wordRule(rule: Rule, forms: Forms, rng: Rng): string {
  const form = forms === 'every' ? 'Every' : rng.pick(['Every', 'Each', 'plural'])
  if (form !== 'plural') return `${form} ${rule.of} is ${singular(rule.predicate)}.`
  const predicate = rule.predicate.kind === 'class' ? plural(rule.predicate.name) : singular(rule.predicate)
  return `${capitalised(plural(rule.of))} are ${predicate}.`
}

function singular(predicate: Predicate): string {
  if (predicate.kind === 'property') return predicate.negated ? `not ${predicate.name}` : predicate.name
  return `${article(predicate.name)} ${predicate.name}`
}
