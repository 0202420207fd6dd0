import { ElenchusError, isWorkerFailure } from '../../errors.ts'
import { Notice } from '../channel.ts'

/** What a worker has room for. */
export interface Room {
  /** Items of a chunk at most. */
  readonly takes: number
  /** Items that it does side by side, where several cost hardly more time than one; 1 where each costs its own. */
  readonly sideBySide: number
}

/** One worker, as far as dealing out is concerned. */
export interface Lane {
  /**
   * Makes the worker ready, starting it again if it died and may be.
   * @throws ElenchusError if it is gone for good
   */
  ready(): Promise<Room>
}

export interface Deal<Item, AnyLane extends Lane> {
  readonly items: readonly Item[]
  readonly lanes: readonly AnyLane[]
  /** How many of `items` make the next chunk: `wanted` or fewer, or, where that tears apart what belongs together, up to `most`. */
  readonly chunkSize: (items: readonly Item[], wanted: number, most: number) => number
  /** Has the lane do the chunk; whatever `isDone` does not confirm afterwards is dealt again. */
  readonly serve: (lane: AnyLane, chunk: readonly Item[], signal: AbortSignal) => Promise<void>
  readonly isDone: (item: Item) => boolean
  /** What the item is, for the message that it kills workers. */
  readonly describe: (item: Item) => string
  readonly signal?: AbortSignal | undefined
}

/** An item that was dealt this often to workers that live, without an answer, is not dealt again. */
const MOST_SILENCES = 3
/** An item that ended so many workers that had nothing else to do is not dealt again. */
const MOST_DEATHS_ALONE = 2
/** Most items of a chunk by how many workers died over them: whoever is to blame is soon alone. */
const SUSPECTS_TOGETHER = [Infinity, 16, 1] as const
/** Where each item costs its own time, no chunk is smaller than this as long as there are so many. */
const SMALLEST_SHARE = 32
/** A share grows by so many, or a quarter, rather than tear apart what belongs together. */
const GROWTH = 16

/** How a text begins, quoted, for messages. */
export function start(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text)
}

/** What workers did with an item that is still undone. */
interface History {
  silences: number
  deaths: number
  deathsAlone: number
}

/**
 * Deals items to whichever worker is free. What a failed worker leaves undone goes to the others, or to its own next start.
 *
 * Where each item costs its own time (a CPU), chunks shrink towards the end so that all finish together. A device that
 * does many side by side takes as many steps for a chunk as its longest item has, however few they are, and sets up anew for each:
 * every lane gets its whole share at once. Only what is more than lanes take at once is dealt on demand (Polychronopoulos
 * and Kuck 1987), in chunks that fill the device.
 * @throws ElenchusError the first failure that is the work's own, or that of a worker that nobody replaces.
 */
export async function dealOut<Item extends object, AnyLane extends Lane>(
  deal: Deal<Item, AnyLane>,
): Promise<void> {
  const run = new Run(deal)
  const outcomes = await Promise.allSettled(deal.lanes.map((lane) => run.drive(lane)))
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  // With the work done, a worker that is gone harms nobody.
  if (run.fatal !== null) throw run.fatal
  if (run.unfinished && failed !== undefined) throw failed.reason
}

class Run<Item extends object, AnyLane extends Lane> {
  fatal: Error | null = null
  readonly #deal: Deal<Item, AnyLane>
  readonly #changed = new Notice()
  readonly #histories = new Map<Item, History>()
  readonly #stop = new AbortController()
  /** Lanes that have not failed, or are ready again; of those, the ones that were given nothing yet. */
  readonly #living: Set<AnyLane>
  readonly #fresh: Set<AnyLane>
  readonly #signal: AbortSignal
  #pending: readonly Item[]
  #working = 0

  constructor(deal: Deal<Item, AnyLane>) {
    this.#deal = deal
    this.#pending = deal.items
    this.#living = new Set(deal.lanes)
    this.#fresh = new Set(deal.lanes)
    this.#signal =
      deal.signal === undefined ? this.#stop.signal : AbortSignal.any([deal.signal, this.#stop.signal])
  }

  get unfinished(): boolean {
    return this.#pending.length > 0
  }

  /** One lane's part; rejects when the lane can do no more. */
  async drive(lane: AnyLane): Promise<void> {
    for (;;) {
      // Work in other hands may come back.
      while (this.#pending.length === 0 && this.#working > 0) await this.#changed.wait()
      if (this.#pending.length === 0 || this.fatal !== null) return
      try {
        const room = await lane.ready()
        this.#living.add(lane)
        await this.#serveOne(lane, room)
      } catch (error) {
        if (!(error instanceof Error)) throw error
        this.#living.delete(lane)
        this.#fresh.delete(lane)
        if (!isWorkerFailure(error)) this.#giveUp(error)
        throw error
      }
    }
  }

  async #serveOne(lane: AnyLane, room: Room): Promise<void> {
    const chunk = this.#take(lane, room)
    if (chunk.length === 0) return
    this.#working += 1
    let failure: ElenchusError | null = null
    try {
      await this.#deal.serve(lane, chunk, this.#signal)
    } catch (error) {
      if (!isWorkerFailure(error)) throw error
      failure = error
      this.#living.delete(lane)
    } finally {
      this.#working -= 1
      this.#pending = [...chunk.filter((item) => !this.#deal.isDone(item)), ...this.#pending]
      this.#changed.notify()
    }
    this.#count(chunk, failure)
  }

  #take(lane: AnyLane, { takes, sideBySide }: Room): readonly Item[] {
    const room = Math.min(takes, this.#pending.length)
    if (room === 0) return []
    const share = this.#share(lane, sideBySide)
    const growth = sideBySide === 1 ? 0 : Math.max(GROWTH, Math.ceil(share / 4))
    this.#fresh.delete(lane)
    const size = this.#deal.chunkSize(
      this.#pending,
      this.#together(Math.min(share, room)),
      this.#together(Math.min(share + growth, room)),
    )
    const chunk = this.#pending.slice(0, size)
    this.#pending = this.#pending.slice(size)
    return chunk
  }

  #share(lane: AnyLane, sideBySide: number): number {
    const { length } = this.#pending
    if (this.#deal.lanes.length === 1) return length
    if (sideBySide === 1) return Math.max(SMALLEST_SHARE, Math.ceil(length / (2 * this.#deal.lanes.length)))
    if (this.#fresh.has(lane)) return Math.ceil(length / this.#fresh.size)
    const idle = this.#living.size - this.#working
    return Math.max(Math.ceil(length / this.#living.size), Math.min(sideBySide, Math.ceil(length / idle)))
  }

  /** How many of the pending items may share a chunk, at most so many, given what became of them before. */
  #together(most: number): number {
    for (let size = 0; size < most; size += 1) {
      const limit = SUSPECTS_TOGETHER[Math.min(this.#deaths(size), SUSPECTS_TOGETHER.length - 1)] ?? 1
      if (size >= limit) return Math.max(1, size)
      // Those who are beyond suspicion are not drawn into the death of others.
      if (size > 0 && this.#deaths(size) !== this.#deaths(0)) return size
    }
    return most
  }

  #deaths(index: number): number {
    const item = this.#pending[index]
    return item === undefined ? 0 : (this.#histories.get(item)?.deaths ?? 0)
  }

  #count(chunk: readonly Item[], failure: ElenchusError | null): void {
    for (const item of chunk) {
      if (this.#deal.isDone(item)) continue
      const history = this.#histories.get(item) ?? { silences: 0, deaths: 0, deathsAlone: 0 }
      this.#histories.set(item, history)
      if (failure === null) history.silences += 1
      else history.deaths += 1
      if (failure !== null && chunk.length === 1) history.deathsAlone += 1
      if (failure !== null && history.deathsAlone >= MOST_DEATHS_ALONE) {
        this.#giveUp(this.#blame(item, history, failure))
      } else if (history.silences >= MOST_SILENCES) {
        const message = `${this.#deal.describe(item)} was dealt to workers ${history.silences} times and never answered.`
        this.#giveUp(new ElenchusError('protocol_violation', message))
      }
    }
  }

  #blame(item: Item, { deaths, deathsAlone }: History, failure: ElenchusError): ElenchusError {
    const what = this.#deal.describe(item)
    return new ElenchusError(
      'deadly_request',
      `${what} ended ${deaths} workers, ${deathsAlone} of them while it was all they did. The last: ${failure.message}`,
      { details: { ...failure.details, request: what, deaths }, cause: failure },
    )
  }

  #giveUp(error: Error): void {
    this.fatal ??= error
    this.#stop.abort(error)
    this.#changed.notify()
  }
}
