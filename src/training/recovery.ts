import { setTimeout as delay } from 'node:timers/promises'
import type { TrainingOptions, TrainingSession } from '../backends/backend.ts'
import { type StageContext, requireTraining } from '../backends/context.ts'
import { ElenchusError, type ErrorCode } from '../errors.ts'
import { newestCheckpoint } from './checkpoints.ts'

/**
 * Failures of workers and of the way to them, not of the training: it goes on in a new session. A step is out of order
 * where the one before it was lost on the way, and will only be sent again.
 */
const LOST: ReadonlySet<ErrorCode> = new Set([
  'worker_died',
  'worker_stalled',
  'worker_start_failed',
  'peer_failed',
  'step_out_of_order',
])

/** How often in a row, without a new checkpoint, a stage goes on after it lost its workers, before it fails. */
const MOST_RECOVERIES = 4
/** For whatever killed a worker, such as a machine out of memory, to pass. */
const PAUSE_MS = 500

/**
 * Has `train` use a session, and another one whenever the workers of the last were lost: it must go on from its
 * newest checkpoint in `dir`, or from the start where there is none. Every time is reported as a warning.
 */
export async function trainWithRecovery<Result>(
  context: StageContext,
  { stage, dir }: { readonly stage: string; readonly dir: string },
  options: TrainingOptions,
  train: (session: TrainingSession) => Promise<Result>,
): Promise<Result> {
  const openTraining = requireTraining(context.backend, stage)
  let reached = await newestCheckpoint(dir)
  for (let recoveries = 0; ; recoveries++) {
    try {
      await using session = await openTraining(options)
      return await train(session)
    } catch (error) {
      const newest = await newestCheckpoint(dir)
      // A long run may lose workers as often as it gets on.
      if (newest?.number !== reached?.number) recoveries = 0
      reached = newest
      if (!ElenchusError.is(error) || !LOST.has(error.code) || recoveries === MOST_RECOVERIES) throw error
      const [reason] = error.message.split('\n')
      context.events({
        type: 'warning',
        stage,
        message: `${reason} Training goes on from ${newest?.path ?? 'its beginning'} (${recoveries + 1} of at most ${MOST_RECOVERIES} times in a row).`,
      })
      await delay(PAUSE_MS, null, { ...(context.signal && { signal: context.signal }) })
    }
  }
}
