import type { Trajectory } from '../backend.ts'
import { trajectoryCost } from './shards.ts'

const MOST_ROWS = 256
const MOST_TOKENS = 65_536

/**
 * Trajectories in consecutive chunks to be scored, each by one worker. Depends on the trajectories alone: what
 * stands beside a row changes its scores in rounding, and that must not depend on how many workers there are.
 * Trajectories of one prompt that stand together stay together where they fit.
 */
export function chunksOf(trajectories: readonly Trajectory[]): readonly (readonly Trajectory[])[] {
  const chunks: Trajectory[][] = []
  let tokens = 0
  for (const group of samePrompts(trajectories)) {
    const cost = group.reduce((sum, trajectory) => sum + trajectoryCost(trajectory), 0)
    const open = chunks.at(-1)
    if (open !== undefined && open.length + group.length <= MOST_ROWS && tokens + cost <= MOST_TOKENS) {
      open.push(...group)
      tokens += cost
    } else {
      chunks.push(group)
      tokens = cost
    }
  }
  return chunks
}

/** Runs of trajectories with one prompt, cut where they exceed a chunk by themselves. */
function samePrompts(trajectories: readonly Trajectory[]): Trajectory[][] {
  const groups: Trajectory[][] = []
  for (const trajectory of trajectories) {
    const group = groups.at(-1)
    if (group?.[0]?.prompt === trajectory.prompt && group.length < MOST_ROWS) group.push(trajectory)
    else groups.push([trajectory])
  }
  return groups
}
