import { packIds, unpackRows } from '../../bridge/protocol/blobs.ts'
import { ElenchusError } from '../../errors.ts'
import type { Score, ScoreOptions, Trajectory } from '../backend.ts'
import { byPrompt } from './batches.ts'
import { chunksOf } from './chunks.ts'
import { dealOut, start } from './lanes.ts'
import type { WorkerModels } from './worker-models.ts'

/** Padded tokens per forward pass; the worker halves it when memory runs out. */
const MICRO_BATCH_TOKENS = 16_384

interface Chunk {
  readonly trajectories: readonly Trajectory[]
  scores: readonly Score[] | null
}

/** Log-probabilities of the trajectories, in their order, dealt out over the workers. */
export async function score(
  workers: readonly WorkerModels[],
  trajectories: readonly Trajectory[],
  options: ScoreOptions,
): Promise<readonly Score[]> {
  const chunks: readonly Chunk[] = chunksOf(trajectories).map((chunk) => ({
    trajectories: chunk,
    scores: null,
  }))
  await dealOut({
    items: chunks,
    // PPO has the weights in training score at the same time: whoever has nothing to do comes first.
    lanes: workers.toSorted((a, b) => a.underWay - b.underWay),
    chunkSize: () => 1,
    isDone: (chunk) => chunk.scores !== null,
    describe: ({ trajectories }) =>
      `The scoring of ${trajectories.length} trajectories, the first of ${start(trajectories[0]?.prompt ?? '')},`,
    signal: options.signal,
    serve: (worker, given, signal) =>
      worker.withPolicy(options.policy, signal, async (handle, policy) => {
        for (const chunk of given) {
          const { prompts, rows } = byPrompt(chunk.trajectories)
          const { blobs } = await handle.call(
            'score',
            {
              policy,
              prompts,
              rows,
              temperature: options.temperature ?? 1,
              micro_batch_tokens: MICRO_BATCH_TOKENS,
            },
            { blobs: packIds(chunk.trajectories.map(({ ids }) => ids)), signal },
          ).result
          const logprobs = unpackRows(blobs.logprobs, blobs.logprobs_lengths)
          chunk.scores = scoresOf(chunk.trajectories, blobs.sums, logprobs)
        }
      }),
  })
  return chunks.flatMap(({ scores }) => {
    if (scores === null) throw new ElenchusError('internal', 'A trajectory was not scored.')
    return scores
  })
}

function scoresOf(
  trajectories: readonly Trajectory[],
  sums: Float64Array,
  rows: readonly Float32Array[],
): readonly Score[] {
  return trajectories.map(({ ids }, index) => {
    const [sum, logprobs] = [sums[index], rows[index]]
    if (sum === undefined || logprobs?.length !== ids.length) {
      throw new ElenchusError('protocol_violation', 'The scores do not fit the trajectories they are for.')
    }
    return { sum, logprobs }
  })
}
