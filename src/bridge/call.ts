import { ElenchusError } from '../errors.ts'
import { EventQueue } from './event-queue.ts'
import { progressSchema, type Progress } from './protocol/control.ts'
import { encodeMessage, parseBody, type IncomingMessage } from './protocol/message.ts'
import { CONTRACTS, type Op, type OpMap } from './protocol/ops.ts'

/** One start of one rank; a call bound to it never runs on a later start, which has other models loaded. */
export interface WorkerRef {
  readonly rank: number
  readonly epoch: number
}

export interface CallOptions<Name extends Op> {
  readonly blobs?: OpMap[Name]['requestBlobs']
  /** Cancels the request: the call fails with `cancelled` at once, the worker stops at its next check. */
  readonly signal?: AbortSignal | undefined
  /** Seconds from sending to the end; past it the call fails with `deadline_exceeded`. */
  readonly deadlineS?: number
  /** Sequences the request occupies the worker with, and the most events it may send. */
  readonly sequences?: number
  /** Which worker must serve it; any that is free if absent. */
  readonly on?: WorkerRef
  readonly onProgress?: (progress: Progress) => void
}

export interface CallEvent<Name extends Op> {
  readonly body: OpMap[Name]['event']
  readonly blobs: OpMap[Name]['eventBlobs']
}

export interface CallResult<Name extends Op> {
  readonly body: OpMap[Name]['result']
  readonly blobs: OpMap[Name]['resultBlobs']
}

/** A request on its way. It ends in exactly one result or error. */
export interface Call<Name extends Op> {
  readonly id: string
  /**
   * The operation's own events as they arrive, for one consumer. Leaving the loop early cancels the request.
   * After the last event it ends, or throws what `result` rejects with.
   */
  readonly events: AsyncIterable<CallEvent<Name>>
  /** Rejects with an ElenchusError and nothing else. */
  readonly result: Promise<CallResult<Name>>
}

/** What the link to a worker needs to know of a call, whatever its operation. */
export interface OpenCall {
  readonly id: string
  readonly op: Op
  readonly on: WorkerRef | undefined
  /** Credits still held: sequences whose events have not been taken yet. */
  readonly held: number
  readonly settled: boolean
  /** The worker has ended it and its events have been taken. */
  readonly done: boolean
  readonly deadlineS: number | undefined
  frames(deadlineS: number): readonly Uint8Array[]
  /** @throws ElenchusError `protocol_violation` if the message does not fit the operation. */
  event(message: IncomingMessage): void
  /** @throws ElenchusError `protocol_violation` if the message does not fit the operation. */
  succeed(message: IncomingMessage): void
  /** Fails the call; events that have arrived can still be taken. */
  fail(error: ElenchusError): void
  /** Fails the call for a reason of this side, drops its unread events and has the worker told. */
  giveUp(error: ElenchusError): void
  /** The worker has ended the request: whatever credits its unread events do not need are free. */
  wireEnded(): void
}

/** Who is told what happens to a call on this side. */
export interface CallOwner {
  /** The caller gave up before the worker ended the request. */
  abandoned(call: OpenCall): void
  /** Credits have come free. */
  released(call: OpenCall): void
}

export class RequestCall<Name extends Op> implements Call<Name>, OpenCall {
  readonly id: string
  readonly op: Name
  readonly on: WorkerRef | undefined
  readonly deadlineS: number | undefined
  readonly events: EventQueue<CallEvent<Name>>
  readonly result: Promise<CallResult<Name>>
  settled = false
  readonly #body: OpMap[Name]['request']
  readonly #options: CallOptions<Name>
  readonly #owner: CallOwner
  readonly #onAbort = (): void => {
    const reason: unknown = this.#options.signal?.reason
    this.giveUp(
      ElenchusError.is(reason) ? reason : new ElenchusError('cancelled', `${this.op} was cancelled.`),
    )
  }
  #resolve!: (result: CallResult<Name>) => void
  #reject!: (error: ElenchusError) => void
  #received = 0
  #unread = 0
  #wireEnded = false

  constructor(
    id: string,
    op: Name,
    body: OpMap[Name]['request'],
    options: CallOptions<Name>,
    owner: CallOwner,
  ) {
    this.id = id
    this.op = op
    this.on = options.on
    this.deadlineS = options.deadlineS
    this.#body = body
    this.#options = options
    this.#owner = owner
    this.events = new EventQueue(
      () => this.#taken(),
      () => this.#onAbort(),
    )
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever only reads the events gets the error there.
    this.result.catch(() => undefined)
    const { signal } = options
    if (signal?.aborted === true) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get done(): boolean {
    return this.#wireEnded && this.#unread === 0
  }

  get held(): number {
    const sequences = this.#options.sequences ?? 0
    return this.#wireEnded ? this.#unread : sequences - this.#received + this.#unread
  }

  frames(deadlineS: number): readonly Uint8Array[] {
    return encodeMessage({
      kind: 'request',
      id: this.id,
      op: this.op,
      body: { ...this.#body, deadline_s: deadlineS },
      blobs: this.#options.blobs ?? {},
    })
  }

  event(message: IncomingMessage): void {
    const { body } = message
    if (body['type'] === 'progress') {
      const progress = parseBody(progressSchema, body, `progress of ${this.op}`)
      if (!this.settled) this.#options.onProgress?.(progress)
      return
    }
    const { event: schema, eventBlobs } = CONTRACTS[this.op]
    if (schema === null) {
      throw new ElenchusError('protocol_violation', `${this.op} has no event "${String(body['type'])}".`)
    }
    const what = `event of ${this.op}`
    const event = { body: parseBody(schema, body, what), blobs: parseBody(eventBlobs, message.blobs, what) }
    this.#received += 1
    if (this.#received > (this.#options.sequences ?? 0)) {
      throw new ElenchusError('protocol_violation', `${this.op} sent more events than it has sequences.`)
    }
    if (this.settled) {
      this.#owner.released(this)
    } else {
      this.#unread += 1
      this.events.push(event)
    }
  }

  succeed(message: IncomingMessage): void {
    const { result, resultBlobs } = CONTRACTS[this.op]
    const what = `result of ${this.op}`
    const blobs = parseBody(resultBlobs, message.blobs, what)
    const body = parseBody(result, message.body, what)
    if (!this.#settle()) return
    this.events.end(null)
    this.#resolve({ body, blobs })
  }

  fail(error: ElenchusError): void {
    if (!this.#settle()) return
    this.events.end(error)
    this.#reject(error)
  }

  giveUp(error: ElenchusError): void {
    if (!this.#settle()) return
    this.events.abort(error)
    this.#reject(error)
    this.#owner.abandoned(this)
  }

  wireEnded(): void {
    this.#wireEnded = true
    this.#owner.released(this)
  }

  #taken(): void {
    this.#unread -= 1
    this.#owner.released(this)
  }

  /** False if it had been settled before. */
  #settle(): boolean {
    if (this.settled) return false
    this.settled = true
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    return true
  }
}
