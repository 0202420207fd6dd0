import type { Problem } from '../../../src/problems/problem.ts'

/** Something that can be read off a problem's surface without following a rule. */
export type Cue = (problem: Problem, index: number) => string | number

/** Guesses a careless reader could make from; those about "the property" mean the queried one. */
export const CUES: Readonly<Record<string, Cue>> = {
  'polarity of the query': ({ conclusion }) => polarity(conclusion),
  'number of negations': ({ premises }) => premises.filter((text) => text.includes(' not ')).length,
  'number of premises': ({ premises }) => premises.length,
  'length in characters': ({ premises }) => Math.floor(premises.join(' ').length / 20),
  'times the property is mentioned': (problem) => mentions(problem).length,
  'the first mention agrees with the query': (problem) => agrees(problem, mentions(problem)[0]),
  'the last mention agrees with the query': (problem) => agrees(problem, mentions(problem).at(-1)),
  'place of the agreeing mention': (problem) => {
    const text = mentions(problem).find((mention) => agrees(problem, mention) === 1)
    return text === undefined
      ? -1
      : Math.floor((4 * problem.premises.indexOf(text)) / problem.premises.length)
  },
  'place of the first fact of the subject': ({ premises, conclusion }) =>
    Math.floor((4 * premises.findIndex((text) => text.startsWith(subject(conclusion)))) / premises.length),
  'facts of the subject': ({ premises, conclusion }) =>
    premises.filter((text) => text.startsWith(subject(conclusion))).length,
  'the class of the agreeing mention is in a fact': (problem) => {
    const name = classWithMention(problem, 1)
    return String(
      name !== undefined &&
        problem.premises.some((text) => / is an? /.test(text) && !isRule(text) && text.includes(name)),
    )
  },
  'which of the two classes with the property is mentioned more': (problem) =>
    Math.sign(
      timesMentioned(problem, classWithMention(problem, 1)) -
        timesMentioned(problem, classWithMention(problem, 0)),
    ),
  'the class with the agreeing mention': (problem) => classWithMention(problem, 1) ?? '',
  'the property': ({ conclusion }) => property(conclusion),
  'the name': ({ conclusion }) => subject(conclusion),
  'place in the data set': (_, index) => index % 6,
}

function polarity(sentence: string): string {
  return sentence.includes(' not ') ? 'not' : ''
}

function subject(conclusion: string): string {
  return conclusion.split(' ')[0]!
}

function property(conclusion: string): string {
  return conclusion.split(' ').at(-1)!
}

function mentions({ premises, conclusion }: Problem): string[] {
  return premises.filter((text) => text.split(' ').at(-1) === property(conclusion))
}

function agrees(problem: Problem, mention: string | undefined): number {
  return mention === undefined ? -1 : Number(polarity(mention) === polarity(problem.conclusion))
}

function isRule(text: string): boolean {
  return /^(?:Every|Each) | are /.test(text)
}

/** Stem of the class of the rule that gives the property with the query's polarity (1) or the other (0). */
function classWithMention(problem: Problem, agreement: number): string | undefined {
  const rule = mentions(problem).find((text) => isRule(text) && agrees(problem, text) === agreement)
  return rule?.match(/^(?:(?:Every|Each) )?(\w{5})/)?.[1]?.toLowerCase()
}

function timesMentioned({ premises }: Problem, name: string | undefined): number {
  return name === undefined ? 0 : premises.filter((text) => new RegExp(`\\b${name}`, 'i').test(text)).length
}

/**
 * Accuracy, on the second half of the problems, of naive Bayes (add-one) over these cues, trained on the first half.
 * With one cue this is the majority label of each of its values.
 */
export function accuracyOf(cues: readonly Cue[], problems: readonly Problem[]): number {
  const rows = problems.map((problem, index) => ({
    label: problem.label,
    values: cues.map((cue, k) => `${k}:${cue(problem, index)}`),
  }))
  const half = Math.floor(rows.length / 2)
  const labels = [...new Set(rows.map(({ label }) => label))]
  const counts = new Map<string, number>()
  const count = (key: string): number => counts.get(key) ?? 0
  for (const { label, values } of rows.slice(0, half)) {
    for (const key of [label, ...values.map((value) => `${label}|${value}`)]) counts.set(key, count(key) + 1)
  }
  const score = (label: string, values: readonly string[]): number =>
    values.reduce(
      (sum, value) => sum + Math.log((count(`${label}|${value}`) + 1) / (count(label) + 2)),
      Math.log(count(label)),
    )
  const right = rows.slice(half).filter(({ label, values }) => {
    const best = labels.reduce((a, b) => (score(b, values) > score(a, values) ? b : a))
    return best === label
  })
  return right.length / (rows.length - half)
}
