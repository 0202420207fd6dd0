import type { Trajectory } from '../backends/backend.ts'
import { ElenchusError } from '../errors.ts'
import type { PreferencePair } from '../preferences/pair.ts'
import { indicesByKey } from './batches.ts'

/** Pairs as edges over the distinct trajectories, so that no completion is evaluated twice in a step. */
export interface PairGraph {
  readonly trajectories: readonly Trajectory[]
  /** One per pair, in the order of the pairs; indices into `trajectories`. */
  readonly edges: readonly { readonly chosen: number; readonly rejected: number }[]
}

/** @throws ElenchusError `record_invalid` when a pair has no token ids. */
export function buildPairGraph(pairs: readonly PreferencePair[]): PairGraph {
  const trajectories: Trajectory[] = []
  const known = new Map<string, number>()
  const nodeOf = (prompt: string, ids: readonly number[]): number => {
    const key = JSON.stringify([prompt, ids])
    let node = known.get(key)
    if (node === undefined) {
      node = trajectories.length
      trajectories.push({ prompt, ids: Int32Array.from(ids) })
      known.set(key, node)
    }
    return node
  }
  const edges = pairs.map((pair, index) => {
    if (pair.chosen_ids === undefined || pair.rejected_ids === undefined) {
      throw new ElenchusError('record_invalid', `Pair ${index + 1} has no token ids.`, {
        hint: 'Generate the traces with a backend that returns token ids (torch does).',
      })
    }
    return { chosen: nodeOf(pair.prompt, pair.chosen_ids), rejected: nodeOf(pair.prompt, pair.rejected_ids) }
  })
  return { trajectories, edges }
}

/**
 * Indices of the pairs of each prompt. Pairs of one chosen side follow each other, so that a part of them names few
 * trajectories.
 */
export function pairsByQuestion({ trajectories, edges }: PairGraph): readonly (readonly number[])[] {
  const questions = indicesByKey(edges.map(({ chosen }) => trajectories[chosen]!.prompt))
  return questions.map((pairs) => pairs.sort((a, b) => edges[a]!.chosen - edges[b]!.chosen))
}
