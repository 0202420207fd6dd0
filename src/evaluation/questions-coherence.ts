import type { ScoredGroup, ScoredTrajectory } from '../regime-w/group.ts'
import { bootstrapDifference, bootstrapMean, clusterOf } from './statistics-bootstrap.ts'
import type { Estimate } from './statistics.ts'

/** The scores of a question's answers: those of the group, then those that each answer has of its own. */
const SCORES = {
  s_end: (group) => [group.s_end],
  s_path: (group) => [group.s_path],
  s_cf: (group) => [group.s_cf],
  s_wm: (group) => [group.s_wm],
  consistency: (group) => group.trajectories.map(({ components }) => components.consistency),
  dependence: (group) => group.trajectories.map(({ components }) => components.dependence),
  closeness: (group) => group.trajectories.map(({ components }) => components.closeness),
  shape: (group) => group.trajectories.map(shapeOf),
} as const satisfies Record<string, (group: ScoredGroup) => readonly (number | null)[]>

export type CoherenceScore = keyof typeof SCORES
/** Null: no question has this score. */
export type Coherence = Readonly<Record<CoherenceScore, Estimate | null>>

/** The reward's own term for coherence, which is what training on `trajectory` rewards. */
function shapeOf({ components }: ScoredTrajectory): number {
  return components.shape
}

/** Means over all answers, with the interval of the bootstrap over questions. */
export function coherenceOf(groups: readonly ScoredGroup[], options: { readonly seed: number }): Coherence {
  return forEachScore((score) => {
    const clusters = groups.map((group) => clusterOf(defined(group, score))).filter(({ count }) => count > 0)
    return clusters.length === 0 ? null : bootstrapMean(clusters, options)
  })
}

/** b - a over the questions that both have, paired by `question_id`. */
export function compareCoherence(
  a: readonly ScoredGroup[],
  b: readonly ScoredGroup[],
  options: { readonly seed: number },
): Coherence {
  const before = new Map(a.map((group) => [group.question_id, group]))
  return forEachScore((score) => {
    const pairs = b.flatMap((group) => {
      const other = before.get(group.question_id)
      if (other === undefined) return []
      const pair = { a: clusterOf(defined(other, score)), b: clusterOf(defined(group, score)) }
      return pair.a.count > 0 && pair.b.count > 0 ? pair : []
    })
    return pairs.length === 0 ? null : bootstrapDifference(pairs, options)
  })
}

function defined(group: ScoredGroup, score: CoherenceScore): number[] {
  return SCORES[score](group).filter((value) => value !== null)
}

function forEachScore(estimate: (score: CoherenceScore) => Estimate | null): Coherence {
  return {
    s_end: estimate('s_end'),
    s_path: estimate('s_path'),
    s_cf: estimate('s_cf'),
    s_wm: estimate('s_wm'),
    consistency: estimate('consistency'),
    dependence: estimate('dependence'),
    closeness: estimate('closeness'),
    shape: estimate('shape'),
  }
}
