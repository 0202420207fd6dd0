import { setTimeout as delay } from 'node:timers/promises'
import type { TrainingOptions, TrainingSession } from '../backends/backend.ts'
import { type StageContext, requireTraining } from '../backends/context.ts'
import { ElenchusError, type ErrorCode } from '../errors.ts'

/** Failures of workers, not of the training: it goes on once they have been started again. */
const LOST: ReadonlySet<ErrorCode> = new Set(['worker_died', 'worker_stalled', 'peer_failed'])

/** How often one stage goes on after it lost its workers, before it fails. */
const MOST_RECOVERIES = 3
/** For whatever killed a worker, such as a machine out of memory, to pass. */
const PAUSE_MS = 500

/**
 * Has `train` use a session, and another one whenever the workers of the last were lost: it must go on from its
 * newest checkpoint, or from the start where there is none. Every time is reported as a warning.
 */
export async function trainWithRecovery<Result>(
  context: StageContext,
  stage: string,
  options: TrainingOptions,
  train: (session: TrainingSession) => Promise<Result>,
): Promise<Result> {
  const openTraining = requireTraining(context.backend, stage)
  for (let recoveries = 0; ; recoveries++) {
    try {
      await using session = await openTraining(options)
      return await train(session)
    } catch (error) {
      if (!ElenchusError.is(error) || !LOST.has(error.code) || recoveries === MOST_RECOVERIES) throw error
      const [reason] = error.message.split('\n')
      context.events({
        type: 'warning',
        stage,
        message: `${reason} Training goes on from its last checkpoint (${recoveries + 1} of at most ${MOST_RECOVERIES} times).`,
      })
      await delay(PAUSE_MS, null, { ...(context.signal && { signal: context.signal }) })
    }
  }
}
