import type { ScoredGroup } from '../regime-w/group.ts'
import { bootstrapDifferences, bootstrapMeans, clusterOf } from './statistics-bootstrap.ts'
import type { Estimate } from './statistics.ts'

/** In the order in which tables show them. */
export const COHERENCE_SCORES = [
  's_end',
  's_path',
  's_cf',
  's_wm',
  'consistency',
  'dependence',
  'closeness',
  'shape',
] as const

export type CoherenceScore = (typeof COHERENCE_SCORES)[number]
/** Null: no question has this score. */
export type Coherence = Readonly<Record<CoherenceScore, Estimate | null>>

/** The scores of a question's answers: those of the group, then those that each answer has of its own. */
const SCORES: Record<CoherenceScore, (group: ScoredGroup) => readonly (number | null)[]> = {
  s_end: (group) => [group.s_end],
  s_path: (group) => [group.s_path],
  s_cf: (group) => [group.s_cf],
  s_wm: (group) => [group.s_wm],
  consistency: (group) => group.trajectories.map(({ components }) => components.consistency),
  dependence: (group) => group.trajectories.map(({ components }) => components.dependence),
  closeness: (group) => group.trajectories.map(({ components }) => components.closeness),
  // The reward's own term for coherence, which is what training on `trajectory` rewards.
  shape: (group) => group.trajectories.map(({ components }) => components.shape),
}

const NOTHING: Coherence = {
  s_end: null,
  s_path: null,
  s_cf: null,
  s_wm: null,
  consistency: null,
  dependence: null,
  closeness: null,
  shape: null,
}

/** Means over all answers, with the interval of the bootstrap over questions. */
export function coherenceOf(groups: readonly ScoredGroup[], options: { readonly seed: number }): Coherence {
  return forEachScore(
    (score) => groups.map((group) => clusterOf(defined(group, score))).filter(({ count }) => count > 0),
    (lists) => bootstrapMeans(lists, options),
  )
}

/** b - a over the questions that both have, paired by `question_id`. */
export function compareCoherence(
  a: readonly ScoredGroup[],
  b: readonly ScoredGroup[],
  options: { readonly seed: number },
): Coherence {
  const before = new Map(a.map((group) => [group.question_id, group]))
  const both = b.flatMap((group) => {
    const other = before.get(group.question_id)
    return other === undefined ? [] : { a: other, b: group }
  })
  return forEachScore(
    (score) =>
      both
        .map((pair) => ({ a: clusterOf(defined(pair.a, score)), b: clusterOf(defined(pair.b, score)) }))
        .filter((pair) => pair.a.count > 0 && pair.b.count > 0),
    (lists) => bootstrapDifferences(lists, options),
  )
}

function defined(group: ScoredGroup, score: CoherenceScore): number[] {
  return SCORES[score](group).filter((value) => value !== null)
}

/** Estimates all scores that something has, at once; the others are null. */
function forEachScore<T>(
  dataOf: (score: CoherenceScore) => readonly T[],
  estimate: (lists: readonly (readonly T[])[]) => readonly Estimate[],
): Coherence {
  const data = COHERENCE_SCORES.map((score) => ({ score, list: dataOf(score) })).filter(
    ({ list }) => list.length > 0,
  )
  const estimates = estimate(data.map(({ list }) => list))
  const coherence: Record<CoherenceScore, Estimate | null> = { ...NOTHING }
  for (const [index, { score }] of data.entries()) coherence[score] = estimates[index] ?? null
  return coherence
}
