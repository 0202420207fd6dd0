import { ElenchusError } from '../errors.ts'
import type { OpenCall } from './call.ts'
import type { Limits } from './limits.ts'
import type { Pong } from './protocol/control.ts'
import { encodeMessage, type IncomingMessage } from './protocol/message.ts'

/** A request that the worker has not ended yet. */
interface Sent {
  readonly call: OpenCall
  readonly frames: readonly Uint8Array[]
  accepted: boolean
  /** Ticks since it was first sent, and since it was last sent. */
  age: number
  sinceSent: number
  /** How often it was sent again: as many repeated answers are no fault of the worker's. */
  repeats: number
  /** Pongs in a row in which the worker said it was idle. */
  idlePongs: number
  readonly timer: NodeJS.Timeout
}

/** Sends frames to the worker; false if it cannot be reached now. */
type Send = (frames: readonly Uint8Array[]) => Promise<boolean>

const REPEAT_S = 2
/** A worker may say once that it is idle while its answer is still on the way. */
const IDLE_PONGS = 2
const MOST_REPEATS_WHEN_IDLE = 3
/** Ended requests whose repeated answers are still recognised; the worker keeps 64. */
const REMEMBERED = 256
/** Node fires a longer timer at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * Brings requests to one worker and their answers back, exactly one each.
 *
 * Requests are idempotent by id, so whatever may have been lost is simply sent again: a request that is not
 * accepted, and one that the worker accepted but, being idle, does not seem to know any more.
 *
 * Every method that takes a message throws `protocol_violation` if it belongs to no open request.
 */
export class Delivery {
  readonly #open = new Map<string, Sent>()
  /** Ended requests and how many repeated answers each may still cause. */
  readonly #ended = new Map<string, number>()
  readonly #send: Send
  readonly #limits: Limits
  readonly #tickS: number

  constructor(send: Send, limits: Limits, tickS: number) {
    this.#send = send
    this.#limits = limits
    this.#tickS = tickS
  }

  get size(): number {
    return this.#open.size
  }

  /** Operations of the open requests, oldest first. */
  get ops(): readonly string[] {
    return Array.from(this.#open.values(), ({ call }) => call.op)
  }

  submit(call: OpenCall): void {
    const deadlineS = call.deadlineS ?? this.#limits.requestS
    let frames: readonly Uint8Array[]
    try {
      frames = call.frames(deadlineS)
    } catch (error) {
      call.fail(asElenchusError(error))
      call.wireEnded()
      return
    }
    const timer = setTimeout(
      () => call.giveUp(late(call.op, deadlineS)),
      Math.min(deadlineS * 1000, LONGEST_TIMER_MS),
    )
    this.#open.set(call.id, {
      call,
      frames,
      accepted: false,
      age: 0,
      sinceSent: 0,
      repeats: 0,
      idlePongs: 0,
      timer,
    })
    void this.#send(frames)
  }

  /** The caller gave up: the worker is told, and its answer, whatever it is, ends the request here. */
  cancel(call: OpenCall): void {
    if (this.#open.has(call.id)) void this.#send(cancelFrames(call.id))
  }

  accepted(message: IncomingMessage): void {
    const sent = this.#open.get(message.id)
    if (sent !== undefined) sent.accepted = true
    else if (!this.#ended.has(message.id)) throw stray(message)
  }

  event(message: IncomingMessage): void {
    const sent = this.#open.get(message.id)
    if (sent === undefined) throw stray(message)
    sent.accepted = true
    sent.call.event(message)
  }

  /** Returns the operation that it ends; null for a repeated answer. */
  result(message: IncomingMessage): string | null {
    const op = this.#open.get(message.id)?.call.op ?? null
    this.#end(message, (call) => call.succeed(message))
    return op
  }

  error(message: IncomingMessage, error: ElenchusError): void {
    this.#end(message, (call) => call.fail(error))
  }

  #end(message: IncomingMessage, settle: (call: OpenCall) => void): void {
    const { id } = message
    const sent = this.#open.get(id)
    if (sent === undefined) {
      const repeats = this.#ended.get(id) ?? 0
      if (repeats === 0) throw stray(message)
      this.#ended.set(id, repeats - 1)
      return
    }
    settle(sent.call)
    this.#close(sent)
    this.#ended.set(id, sent.repeats)
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= REMEMBERED) break
      this.#ended.delete(oldest)
    }
  }

  pong(pong: Pong): void {
    for (const sent of this.#open.values()) {
      const forgotten = sent.accepted && pong.busy === null && pong.phase !== 'import'
      sent.idlePongs = forgotten ? sent.idlePongs + 1 : 0
      if (sent.idlePongs < IDLE_PONGS) continue
      if (sent.repeats >= MOST_REPEATS_WHEN_IDLE) {
        throw new ElenchusError(
          'protocol_violation',
          `The worker accepted ${sent.call.op}, is idle, and does not answer it.`,
        )
      }
      this.#repeat(sent)
    }
  }

  /** One interval has passed. @throws ElenchusError `worker_stalled` if a request is not accepted for too long. */
  tick(): void {
    for (const sent of this.#open.values()) {
      if (sent.accepted) continue
      sent.age += 1
      sent.sinceSent += 1
      if (sent.age * this.#tickS > this.#limits.acceptS) {
        throw new ElenchusError(
          'worker_stalled',
          `The worker did not accept ${sent.call.op} for ${this.#limits.acceptS} s.`,
        )
      }
      if (sent.sinceSent * this.#tickS >= REPEAT_S) this.#repeat(sent)
    }
  }

  failAll(errorFor: (call: OpenCall) => ElenchusError): void {
    for (const sent of this.#open.values()) {
      sent.call.fail(errorFor(sent.call))
      this.#close(sent)
    }
  }

  #repeat(sent: Sent): void {
    sent.repeats += 1
    sent.sinceSent = 0
    sent.idlePongs = 0
    void this.#send(sent.frames)
    // A worker that never saw the request has to see it before it can end it as cancelled.
    if (sent.call.settled) void this.#send(cancelFrames(sent.call.id))
  }

  #close(sent: Sent): void {
    clearTimeout(sent.timer)
    this.#open.delete(sent.call.id)
    sent.call.wireEnded()
  }
}

function cancelFrames(id: string): readonly Uint8Array[] {
  return encodeMessage({ kind: 'cancel', id, body: {} })
}

function late(op: string, deadlineS: number): ElenchusError {
  const details = { op, deadlineS }
  return new ElenchusError('deadline_exceeded', `${op} did not end within its deadline of ${deadlineS} s.`, {
    details,
  })
}

function stray(message: IncomingMessage): ElenchusError {
  return new ElenchusError(
    'protocol_violation',
    `The worker sent ${message.kind} for the request "${message.id}", which is not open.`,
  )
}

function asElenchusError(error: unknown): ElenchusError {
  if (ElenchusError.is(error)) return error
  return new ElenchusError('internal', String(error), { cause: error })
}
