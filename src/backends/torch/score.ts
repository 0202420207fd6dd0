import { packIds, unpackRows } from '../../bridge/protocol/blobs.ts'
import { ElenchusError } from '../../errors.ts'
import type { Score, ScoreOptions, Trajectory } from '../backend.ts'
import { byPrompt } from './batches.ts'
import { dealOut } from './lanes.ts'
import type { WorkerModels } from './worker-models.ts'

/** Padded tokens per forward pass; the worker halves it when memory runs out. */
const MICRO_BATCH_TOKENS = 16_384

interface Scored {
  readonly trajectory: Trajectory
  score: Score | null
}

/** Log-probabilities of the trajectories, in their order, dealt out over the workers. */
export async function score(
  workers: readonly WorkerModels[],
  trajectories: readonly Trajectory[],
  options: ScoreOptions,
): Promise<readonly Score[]> {
  const items: readonly Scored[] = trajectories.map((trajectory) => ({ trajectory, score: null }))
  await dealOut({
    items,
    lanes: workers,
    chunkSize: (_items, most) => most,
    isDone: (item) => item.score !== null,
    signal: options.signal,
    serve: (worker, chunk, signal) =>
      worker.withPolicy(options.policy, signal, async (handle, policy) => {
        const { prompts, rows } = byPrompt(chunk.map(({ trajectory }) => trajectory))
        const { blobs } = await handle.call(
          'score',
          {
            policy,
            prompts,
            rows,
            temperature: options.temperature ?? 1,
            micro_batch_tokens: MICRO_BATCH_TOKENS,
          },
          { blobs: packIds(chunk.map(({ trajectory }) => trajectory.ids)), signal },
        ).result
        assign(chunk, blobs.sums, unpackRows(blobs.logprobs, blobs.logprobs_lengths))
      }),
  })
  return items.map((item) => {
    if (item.score === null) throw new ElenchusError('internal', 'A trajectory was not scored.')
    return item.score
  })
}

function assign(chunk: readonly Scored[], sums: Float64Array, rows: readonly Float32Array[]): void {
  for (const [index, item] of chunk.entries()) {
    const [sum, logprobs] = [sums[index], rows[index]]
    if (sum === undefined || logprobs?.length !== item.trajectory.ids.length) {
      throw new ElenchusError('protocol_violation', 'The scores do not fit the trajectories they are for.')
    }
    item.score = { sum, logprobs }
  }
}
