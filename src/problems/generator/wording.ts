import { article, plural } from '../../logic/language/morphology.ts'
import { capitalised } from '../../logic/language/words.ts'
import type { Rng } from '../../random.ts'
import type { Predicate, Rule } from './ontology.ts'
import type { Fact } from './sketch.ts'

/** `every`: one form of rule. `mixed`: "Every ...", "Each ..." and plurals, as the official generator writes. */
export const FORMS = ['every', 'mixed'] as const
export type Forms = (typeof FORMS)[number]

/** "Max is a wumpus.", "Max is not red.", "Max is a gorpus or a wumpus.", "Max is not a gorpus." */
export function wordFact({ subject, predicate, or, denied }: Fact): string {
  if (or !== undefined) {
    const [left, right] = or.first ? [or.predicate, predicate] : [predicate, or.predicate]
    return wordCompound(subject, left, 'or', right)
  }
  return `${subject} is ${denied === true ? 'not ' : ''}${singular(predicate)}.`
}

/** "Max is a wumpus and red." */
export function wordCompound(
  subject: string,
  left: Predicate,
  joined: 'and' | 'or',
  right: Predicate,
): string {
  return `${subject} is ${singular(left)} ${joined} ${singular(right)}.`
}

/** "Every yumpus is a wumpus.", "Each yumpus is not red.", "Yumpuses are wumpuses."; compound ones have one form or two. */
export function wordRule(rule: Rule, forms: Forms, rng: Rng): string {
  const { condition, besides } = rule
  if (condition !== undefined) {
    const conditions = `${singular({ kind: 'class', name: rule.of })} ${condition.joined} ${singular(condition.predicate)}`
    return `Everything that is ${conditions} is ${singular(rule.predicate)}.`
  }
  if (besides !== undefined) {
    const each = forms === 'every' ? 'Every' : rng.pick(['Every', 'Each'])
    return `${each} ${rule.of} is ${singular(besides)} and ${singular(rule.predicate)}.`
  }
  const form = forms === 'every' ? 'Every' : rng.pick(['Every', 'Each', 'plural'])
  if (form !== 'plural') return `${form} ${rule.of} is ${singular(rule.predicate)}.`
  const predicate = rule.predicate.kind === 'class' ? plural(rule.predicate.name) : singular(rule.predicate)
  return `${capitalised(plural(rule.of))} are ${predicate}.`
}

function singular(predicate: Predicate): string {
  if (predicate.kind === 'property') return predicate.negated ? `not ${predicate.name}` : predicate.name
  return `${article(predicate.name)} ${predicate.name}`
}
