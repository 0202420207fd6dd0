import { setImmediate } from 'node:timers/promises'
import { Router } from 'zeromq'

/** ZeroMQ closes a connection on a larger frame; far above any header or blob frame of the protocol. */
const LARGEST_FRAME = 256 << 20
/** Messages handled before timers and other sockets get their turn. */
const MESSAGES_PER_TURN = 32

/** Receives every message: who sent it, and its frames, which are valid until the handler returns. */
export type MessageHandler = (routingId: string, frames: readonly Uint8Array[]) => void

/** The group's one socket. It moves frames and knows nothing of their meaning. */
export class WorkerSocket implements AsyncDisposable {
  readonly #socket: Router
  #receiving: Promise<void> = Promise.resolve()

  private constructor(socket: Router) {
    this.#socket = socket
  }

  /** Binds `endpoint` and hands every message to `handler` until disposal. */
  static async bind(endpoint: string, handler: MessageHandler): Promise<WorkerSocket> {
    const router = new Router({
      // A send to a peer that is gone fails at once. By default it would be dropped silently, or, with
      // a time-out, block every later send.
      mandatory: true,
      sendTimeout: 0,
      // Bounded by the credits of the workers, not by ZeroMQ, which could only block or drop.
      sendHighWaterMark: 0,
      receiveHighWaterMark: 0,
      linger: 0,
      maxMessageSize: LARGEST_FRAME,
      // Answered by ZeroMQ's own thread: finds stopped processes and dead hosts, not busy ones.
      heartbeatInterval: 1000,
      heartbeatTimeout: 3000,
    })
    try {
      await router.bind(endpoint)
    } catch (error) {
      router.close()
      throw error
    }
    const socket = new WorkerSocket(router)
    socket.#receiving = socket.#receive(handler)
    return socket
  }

  async #receive(handler: MessageHandler): Promise<void> {
    let handled = 0
    for await (const [routingId, ...frames] of this.#socket) {
      handler(String(routingId), frames)
      handled += 1
      // Messages that are already here resolve without a turn of the event loop: timers would starve.
      if (handled % MESSAGES_PER_TURN === 0) await setImmediate()
    }
  }

  /** Sends a message; false if that worker is not connected. */
  async send(routingId: string, frames: readonly Uint8Array[]): Promise<boolean> {
    if (this.#socket.closed) return false
    try {
      await this.#socket.send([routingId, ...frames])
      return true
    } catch {
      return false
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close()
    await this.#receiving
  }
}
