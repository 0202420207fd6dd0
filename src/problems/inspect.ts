import { renderFol } from '../logic/language/render-fol.ts'
import { parseTheory } from '../logic/language/theory.ts'
import type { Label } from '../logic/truth.ts'
import { renderProofPrompt, renderStep } from '../prompts/proof.ts'
import type { Problem } from './problem.ts'

/** Least, mean and greatest of a number that every problem has; null for a set without problems. */
export interface Range {
  readonly min: number
  readonly mean: number
  readonly max: number
}

export interface SetReport {
  readonly problems: number
  readonly labels: Readonly<Record<Label, number>>
  /** Problems per number of hops; `unknown` where it is not recorded. */
  readonly depths: Readonly<Record<string, number>>
  /** Problems per stored entailment; `none` where nothing is stored. */
  readonly entailments: Readonly<Record<string, number>>
  readonly with_gold: number
  /** Problems with a sentence or formula that no grammar reads: the judge cannot verify them. */
  readonly unreadable: number
  readonly premises: Range | null
  /** Characters of the prompt. */
  readonly prompt_length: Range | null
  /** Characters of the gold proof, of the problems that have one. */
  readonly gold_length: Range | null
  /** Problems that repeat an earlier one: the same premises, in any order, and conclusion. */
  readonly duplicates: readonly { readonly problem_id: string; readonly same_as: string }[]
  /** Repeated `problem_id`s. */
  readonly repeated_ids: readonly string[]
}

/** Something that two sets have in common. */
export interface Leak {
  /** `problem`: premises and conclusion; `rules`: all rules, whatever their order and wording. */
  readonly kind: 'problem' | 'rules'
  readonly sets: readonly [string, string]
  /** How many distinct problems, or sets of rules, both have. */
  readonly shared: number
  /** One `problem_id` of each. */
  readonly example: readonly [string, string]
}

export interface InspectReport {
  readonly sets: Readonly<Record<string, SetReport>>
  readonly leaks: readonly Leak[]
}

/**
 * What a researcher wants to know of data before using it: sizes, balance, lengths, and what the sets share.
 *
 * @param sets problems by the name of their set or split.
 */
export function inspectProblems(sets: Readonly<Record<string, readonly Problem[]>>): InspectReport {
  const inspected = Object.entries(sets).map(([name, problems]) => inspectSet(name, problems))
  const leaks = inspected.flatMap((first, index) =>
    inspected.slice(index + 1).flatMap((second) => leaksBetween(first, second)),
  )
  return { sets: Object.fromEntries(inspected.map(({ name, report }) => [name, report])), leaks }
}

/** The first problem with each key. */
type Index = ReadonlyMap<string, string>

interface InspectedSet {
  readonly name: string
  readonly report: SetReport
  readonly byProblem: Index
  readonly byRules: Index
}

function inspectSet(name: string, problems: readonly Problem[]): InspectedSet {
  const byProblem = new Map<string, string>()
  const byRules = new Map<string, string>()
  const ids = new Set<string>()
  const duplicates: { problem_id: string; same_as: string }[] = []
  const repeated: string[] = []
  let unreadable = 0
  for (const problem of problems) {
    const id = problem.problem_id
    if (ids.has(id)) repeated.push(id)
    ids.add(id)
    const { identity, rules } = keysOf(problem)
    const earlier = byProblem.get(identity)
    if (earlier === undefined) byProblem.set(identity, id)
    else duplicates.push({ problem_id: id, same_as: earlier })
    if (rules === null) unreadable++
    else if (rules !== '' && !byRules.has(rules)) byRules.set(rules, id)
  }
  const withGold = problems.filter(({ gold }) => gold !== undefined)
  const labels = tally(problems.map(({ label }) => label))
  const report: SetReport = {
    problems: problems.length,
    labels: { TRUE: labels['TRUE'] ?? 0, FALSE: labels['FALSE'] ?? 0, UNKNOWN: labels['UNKNOWN'] ?? 0 },
    depths: tally(problems.map(({ depth }) => String(depth ?? 'unknown'))),
    entailments: tally(problems.map(({ entailment }) => entailment ?? 'none')),
    with_gold: withGold.length,
    unreadable,
    premises: rangeOf(problems.map(({ premises }) => premises.length)),
    prompt_length: rangeOf(problems.map((problem) => renderProofPrompt(problem).length)),
    gold_length: rangeOf(withGold.map(({ gold }) => goldLength(gold))),
    duplicates,
    repeated_ids: repeated,
  }
  return { name, report, byProblem, byRules }
}

/**
 * Keys that are equal exactly for the same problem, and for the same rules (its universal premises). `rules` is empty
 * without any, null if the problem cannot be read; then only its text identifies it.
 */
function keysOf(problem: Problem): { identity: string; rules: string | null } {
  const theory = parseTheory(problem)
  if (!theory.ok) {
    return { identity: JSON.stringify([problem.premises.toSorted(), problem.conclusion]), rules: null }
  }
  const rules = theory.premises.filter(({ kind }) => kind === 'forall').map(renderFol)
  return {
    identity: JSON.stringify([theory.premises.map(renderFol).sort(), renderFol(theory.query)]),
    rules: rules.sort().join('\n'),
  }
}

function leaksBetween(first: InspectedSet, second: InspectedSet): Leak[] {
  const shared = (kind: Leak['kind'], own: Index, others: Index): Leak[] => {
    const ids = [...own].flatMap(([key, id]): [string, string][] => {
      const other = others.get(key)
      return other === undefined ? [] : [[id, other]]
    })
    const [example] = ids
    return example === undefined
      ? []
      : [{ kind, sets: [first.name, second.name], shared: ids.length, example }]
  }
  return [
    ...shared('problem', first.byProblem, second.byProblem),
    ...shared('rules', first.byRules, second.byRules),
  ]
}

function goldLength(gold: Problem['gold']): number {
  return (gold ?? []).reduce((sum, { thought, action }) => sum + renderStep(thought, action).length, 0)
}

function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}

function rangeOf(values: readonly number[]): Range | null {
  if (values.length === 0) return null
  const sum = values.reduce((a, b) => a + b, 0)
  return {
    min: values.reduce((a, b) => Math.min(a, b)),
    mean: sum / values.length,
    max: values.reduce((a, b) => Math.max(a, b)),
  }
}
