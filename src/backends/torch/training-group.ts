import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { CallOptions, CallResult } from '../../bridge/call.ts'
import type { Op, OpMap } from '../../bridge/protocol/ops.ts'
import { ElenchusError } from '../../errors.ts'
import type { SharedState, WorkerHandle, WorkerModels } from './worker-models.ts'

/** A rank of the group, as it ran when the group was formed. */
export interface Member {
  readonly rank: number
  readonly worker: WorkerModels
  readonly handle: WorkerHandle
}

/** For the others to notice by themselves that a rank has failed; whoever still waits for it then is ended. */
const GRACE_MS = 10_000

interface Request<Name extends Op> {
  readonly body: OpMap[Name]['request']
  readonly blobs?: OpMap[Name]['requestBlobs']
}

/**
 * The workers that train together: every collective operation goes to all of them at once. When one fails, the
 * operation fails with its failure, and none of the others is left waiting for it.
 */
export class TrainingGroup {
  /** By rank. */
  readonly members: readonly Member[]
  /** What the workers know the group by; `null` where there is only one. */
  readonly name: string | null
  readonly #shared: SharedState

  private constructor(members: readonly Member[], shared: SharedState) {
    this.members = members
    this.#shared = shared
    this.name = members.length === 1 ? null : randomUUID()
  }

  /** Starts the workers that do not run, has all of them load the base and, if there are several, meet. */
  static async form(
    workers: readonly WorkerModels[],
    shared: SharedState,
    signal: AbortSignal | undefined,
  ): Promise<TrainingGroup> {
    const member = async (worker: WorkerModels): Promise<Member> => {
      const { handle } = await worker.base(signal)
      return { rank: worker.rank, worker, handle }
    }
    const group = new TrainingGroup(await Promise.all(workers.map(member)), shared)
    if (group.name !== null) await group.#meet(group.name)
    return group
  }

  get size(): number {
    return this.members.length
  }

  async #meet(name: string): Promise<void> {
    const meeting = (await this.#shared.group()).meeting(name)
    await this.all('group.join', (rank) => ({ body: { group: name, rank, size: this.size, meeting } }))
  }

  /** Answers of all ranks, by rank. @throws ElenchusError the failure of the rank that failed of itself. */
  async all<Name extends Op>(
    op: Name,
    request: (rank: number) => Request<Name>,
    options: Pick<CallOptions<Name>, 'signal'> = {},
  ): Promise<readonly CallResult<Name>[]> {
    const results = this.members.map(({ handle, rank }) => {
      const { body, blobs } = request(rank)
      return handle.call(op, body, { ...options, ...(blobs && { blobs }) }).result
    })
    const everybody = Promise.allSettled(results)
    try {
      return await Promise.all(results)
    } catch (first) {
      await this.#end(results, everybody)
      const failures = (await everybody).flatMap((outcome): unknown[] =>
        outcome.status === 'rejected' ? [outcome.reason] : [],
      )
      throw failures.find((error) => !isOfAnother(error)) ?? first
    }
  }

  /** A rank has failed: whoever does not end its own call by itself is ended. */
  async #end(results: readonly Promise<unknown>[], everybody: Promise<unknown>): Promise<void> {
    const waiting = new Set(this.members)
    for (const [index, result] of results.entries()) {
      const leave = (): boolean => waiting.delete(this.members[index]!)
      void result.then(leave, leave)
    }
    const patience = new AbortController()
    await Promise.race([everybody, delay(GRACE_MS, null, { signal: patience.signal }).catch(() => null)])
    patience.abort()
    if (waiting.size === 0) return
    const group = await this.#shared.group()
    await Promise.all(
      Array.from(waiting, ({ rank, handle }) => group.end({ rank, epoch: handle.epoch }, ENDED_FOR_ANOTHER)),
    )
  }

  /** @throws ElenchusError `guard_failed` if the ranks have come to differ. */
  refuseDifferent(what: string, found: readonly string[]): void {
    if (found.every((one) => one === found[0])) return
    const list = found.map((one, rank) => `rank ${rank} ${one}`).join(', ')
    throw new ElenchusError(
      'guard_failed',
      `${what} differ between the workers that train together: ${list}.`,
    )
  }
}

const ENDED_FOR_ANOTHER = 'was ended, because it waited for another rank of its group, which had failed'

/** Whether a rank failed only because another did. */
function isOfAnother(error: unknown): boolean {
  return (
    ElenchusError.is(error) && (error.code === 'peer_failed' || error.message.includes(ENDED_FOR_ANOTHER))
  )
}
