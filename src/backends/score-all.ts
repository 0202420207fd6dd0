import { ElenchusError } from '../errors.ts'
import type { Score, ScoreOptions, Trajectory } from './backend.ts'
import type { StageContext } from './context.ts'

/**
 * Scores of trajectories under a frozen policy, in their order, one per trajectory and a log-probability per id: what
 * a backend leaves out must not count as no divergence, or move the scores behind it.
 *
 * @throws ElenchusError `capability_missing`; `protocol_violation` if the backend leaves something out; `non_finite`.
 */
export async function scoreAll(
  { backend, signal }: StageContext,
  stage: string,
  trajectories: readonly Trajectory[],
  options: Pick<ScoreOptions, 'policy' | 'temperature'>,
): Promise<readonly Score[]> {
  if (!backend.capabilities.score || backend.score === undefined) {
    throw new ElenchusError('capability_missing', `${stage}: the backend "${backend.name}" cannot score.`)
  }
  const scores = await backend.score(trajectories, { ...options, ...(signal && { signal }) })
  if (scores.length !== trajectories.length) {
    throw incomplete(
      `${stage}: the backend "${backend.name}" gave ${scores.length} scores for ${trajectories.length} trajectories.`,
    )
  }
  for (const [index, { ids }] of trajectories.entries()) {
    const { sum, logprobs } = scores[index]!
    if (logprobs.length !== ids.length) {
      throw incomplete(
        `${stage}: the backend "${backend.name}" gave ${logprobs.length} log-probabilities for ${ids.length} tokens.`,
      )
    }
    if (!Number.isFinite(sum)) {
      throw new ElenchusError(
        'non_finite',
        `${stage}: the start gives a completion no finite log-probability.`,
      )
    }
  }
  return scores
}

function incomplete(message: string): ElenchusError {
  return new ElenchusError('protocol_violation', message, {
    hint: 'A backend scores every trajectory that it is given: run the conformance suite of elenchus/testing on it.',
  })
}
