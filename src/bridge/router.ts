import { isIP } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { Router } from 'zeromq'
import { ElenchusError } from '../errors.ts'
import type { CurveKeys } from './connection-file.ts'
import { CurveGate } from './curve.ts'

/** ZeroMQ closes a connection on a larger frame; far above any header or blob frame of the protocol. */
const LARGEST_FRAME = 256 << 20
/** Messages handled before timers and other sockets get their turn. */
const MESSAGES_PER_TURN = 32

/** Receives every message: who sent it, and its frames, which are valid until the handler returns. */
export type MessageHandler = (routingId: string, frames: readonly Uint8Array[]) => void

/** The group's one socket. It moves frames and knows nothing of their meaning. */
export class WorkerSocket implements AsyncDisposable {
  readonly endpoint: string
  readonly #socket: Router
  readonly #gate: CurveGate | null
  #receiving: Promise<void> = Promise.resolve()

  private constructor(socket: Router, endpoint: string, gate: CurveGate | null) {
    this.#socket = socket
    this.endpoint = endpoint
    this.#gate = gate
  }

  /** Binds `endpoint`, a private file of this machine, and hands every message to `handler` until disposal. */
  static async bind(endpoint: string, handler: MessageHandler): Promise<WorkerSocket> {
    if (!endpoint.startsWith('ipc://')) {
      throw new ElenchusError('internal', `Nothing unencrypted is bound to ${endpoint}.`)
    }
    return WorkerSocket.#bind(endpoint, handler, null)
  }

  /**
   * Binds a free port of an address, with CURVE keys: there is no way to bind TCP without.
   * @throws ElenchusError `config_invalid` if it is no address of this machine.
   */
  static async bindEncrypted(address: string, handler: MessageHandler): Promise<WorkerSocket> {
    const [, host = address, port = '*'] = /^(.*?|\[.*\]):(\d+)$/.exec(address) ?? []
    if (['*', '0.0.0.0', '::'].includes(host) || isIP(host.replaceAll(/^\[|\]$/g, '')) === 0) {
      throw new ElenchusError(
        'config_invalid',
        `backend.listen is "${address}": name the one IP address under which the other machines reach this one.`,
      )
    }
    const gate = await CurveGate.open()
    try {
      const name = isIP(host) === 6 ? `[${host}]` : host
      return await WorkerSocket.#bind(`tcp://${name}:${port}`, handler, gate)
    } catch (error) {
      await gate[Symbol.asyncDispose]()
      if (!(error instanceof Error)) throw error
      throw new ElenchusError('config_invalid', `Cannot listen on ${address}: ${error.message}.`, {
        hint: 'backend.listen must be an address of this machine; see `ip address`.',
        cause: error,
      })
    }
  }

  static async #bind(
    endpoint: string,
    handler: MessageHandler,
    gate: CurveGate | null,
  ): Promise<WorkerSocket> {
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
      ipv6: endpoint.startsWith('tcp://['),
      ...gate?.options,
    })
    try {
      await router.bind(endpoint)
    } catch (error) {
      router.close()
      throw error
    }
    const socket = new WorkerSocket(router, router.lastEndpoint ?? endpoint, gate)
    socket.#receiving = socket.#receive(handler)
    return socket
  }

  /** Keys for the ranks of a new launch, where the socket is encrypted. */
  admit(): CurveKeys | undefined {
    return this.#gate?.admit()
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
    await this.#gate?.[Symbol.asyncDispose]()
  }
}
