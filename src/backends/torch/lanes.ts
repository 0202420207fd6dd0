import { ElenchusError, isWorkerFailure } from '../../errors.ts'
import { Notice } from '../channel.ts'

/** One worker, as far as dealing out is concerned. */
export interface Lane {
  /**
   * Makes the worker ready, starting it again if it died and may be.
   * @returns how many items it takes at once
   * @throws ElenchusError if it is gone for good
   */
  ready(): Promise<number>
}

export interface Deal<Item, AnyLane extends Lane> {
  readonly items: readonly Item[]
  readonly lanes: readonly AnyLane[]
  /** How many of `items` make the next chunk: at least 1, at most `most`. */
  readonly chunkSize: (items: readonly Item[], most: number) => number
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
const SMALLEST_SHARE = 32

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
 * Deals items to whichever worker is free, in chunks that shrink towards the end so that all finish
 * together. What a failed worker leaves undone goes to the others, or to its own next start.
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
  readonly #signal: AbortSignal
  #pending: readonly Item[]
  #working = 0

  constructor(deal: Deal<Item, AnyLane>) {
    this.#deal = deal
    this.#pending = deal.items
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
        await this.#serveOne(lane, await lane.ready())
      } catch (error) {
        if (!(error instanceof Error)) throw error
        if (!isWorkerFailure(error)) this.#giveUp(error)
        throw error
      }
    }
  }

  async #serveOne(lane: AnyLane, takes: number): Promise<void> {
    const chunk = this.#take(takes)
    if (chunk.length === 0) return
    this.#working += 1
    let failure: ElenchusError | null = null
    try {
      await this.#deal.serve(lane, chunk, this.#signal)
    } catch (error) {
      if (!isWorkerFailure(error)) throw error
      failure = error
    } finally {
      this.#working -= 1
      this.#pending = [...chunk.filter((item) => !this.#deal.isDone(item)), ...this.#pending]
      this.#changed.notify()
    }
    this.#count(chunk, failure)
  }

  #take(takes: number): readonly Item[] {
    const lanes = this.#deal.lanes.length
    const share = Math.max(SMALLEST_SHARE, Math.ceil(this.#pending.length / (2 * lanes)))
    const most = Math.min(takes, lanes === 1 ? takes : share, this.#pending.length)
    const size = most === 0 ? 0 : this.#deal.chunkSize(this.#pending, this.#together(most))
    const chunk = this.#pending.slice(0, size)
    this.#pending = this.#pending.slice(size)
    return chunk
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
