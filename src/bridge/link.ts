import { setTimeout as delay } from 'node:timers/promises'
import { ElenchusError, type ErrorCode } from '../errors.ts'
import type { OpenCall } from './call.ts'
import { Delivery } from './delivery.ts'
import { refusal, type Expected } from './handshake.ts'
import type { ProcessExit, WorkerProcess } from './launcher.ts'
import type { Limits } from './limits.ts'
import { errorBodySchema, helloSchema, pongSchema, type Hello } from './protocol/control.ts'
import { decodeMessage, encodeMessage, parseBody, type IncomingMessage } from './protocol/message.ts'
import type { Op } from './protocol/ops.ts'
import { Watch } from './watch.ts'
import { fromErrorBody, toErrorBody } from './wire-error.ts'

/** `starting`: no greeting yet. `down`: it will never serve again; `failure` says why. */
export type LinkState = 'starting' | 'ready' | 'leaving' | 'down'

export interface LinkOptions {
  readonly expected: Expected
  readonly logFile: string
  readonly limits: Limits
  readonly heartbeatS: number
  /** Sends frames to this worker; false if it cannot be reached now. */
  readonly send: (frames: readonly Uint8Array[]) => Promise<boolean>
  /** The state, the load or the credits have changed. */
  readonly onChange: () => void
  /** A request has ended, and says what it took. */
  readonly onAnswered: (took: Pick<IncomingMessage, 'servedS' | 'importS' | 'work'>) => void
}

/** Operations that are what a worker is there for; the others prepare them. */
const WORK: ReadonlySet<string> = new Set(['generate', 'score', 'train.step', 'train.score'] satisfies Op[])
/** Open requests per worker; it refuses more than 64. */
const MOST_REQUESTS = 32
/** After a process ends, what it had sent may still be on its way through the socket. */
const LAST_WORDS_MS = 10
const KILL_AFTER_MS = 2000

/**
 * One start of one rank, from launch to end: handshake, requests, watching, and the one failure that ends it.
 * A rank that is started again gets a new link; late messages of the old start reach nobody.
 */
export class WorkerLink {
  readonly rank: number
  readonly epoch: number
  /** Settles with the greeting, or rejects with the failure. */
  readonly ready: Promise<Hello>
  /** Settles when it is down and `failure` is known. */
  readonly down: Promise<void>
  readonly #options: LinkOptions
  readonly #delivery: Delivery
  readonly #watch: Watch
  /** Calls that hold credits; some have ended on the wire, but their events are still unread. */
  readonly #holding = new Set<OpenCall>()
  #state: LinkState = 'starting'
  #failure: ElenchusError | null = null
  #hello: Hello | null = null
  #process: WorkerProcess | null = null
  /** Under way since the failure. */
  #killed: Promise<void> | null = null
  #worked = false
  #reachable = true
  #startingTicks = 0
  #pings = 0
  #welcome!: (hello: Hello) => void
  #refuse!: (error: ElenchusError) => void
  #wentDown!: () => void

  constructor(options: LinkOptions) {
    this.#options = options
    this.rank = options.expected.rank
    this.epoch = options.expected.epoch
    this.#delivery = new Delivery(options.send, options.limits, options.heartbeatS)
    this.#watch = new Watch(options.limits, options.heartbeatS)
    this.ready = new Promise((resolve, reject) => {
      this.#welcome = resolve
      this.#refuse = reject
    })
    this.ready.catch(() => undefined)
    this.down = new Promise((resolve) => {
      this.#wentDown = resolve
    })
  }

  get state(): LinkState {
    return this.#state
  }

  /** Why it is down; the text arrives a moment after the state, because it quotes the worker's log. */
  get failure(): ElenchusError | null {
    return this.#failure
  }

  /** Whether it has finished some of what it is there for, more than loading. */
  get worked(): boolean {
    return this.#worked
  }

  get hello(): Hello | null {
    return this.#hello
  }

  /** Sequences that occupy it, and requests besides. */
  get load(): number {
    return this.#held() + this.#delivery.size
  }

  /** Sequences it takes at once. */
  get credits(): number {
    return this.#hello?.credits ?? 0
  }

  admits(call: OpenCall): boolean {
    const room = call.held === 0 || this.#held() + call.held <= this.credits
    return this.#state === 'ready' && room && this.#delivery.size < MOST_REQUESTS
  }

  #held(): number {
    let held = 0
    for (const call of this.#holding) held += call.held
    return held
  }

  attach(process: WorkerProcess): void {
    this.#process = process
    void process.exited.then((exit) => this.#exited(exit))
  }

  submit(call: OpenCall): void {
    if (call.held > 0) this.#holding.add(call)
    this.#delivery.submit(call)
  }

  cancel(call: OpenCall): void {
    this.#delivery.cancel(call)
  }

  /** Some of the call's credits came free. */
  released(call: OpenCall): void {
    if (call.held === 0) this.#holding.delete(call)
  }

  /** A message of this worker. */
  receive(frames: readonly Uint8Array[]): void {
    if (this.#state === 'down') return
    try {
      const message = decodeMessage(frames)
      this.#watch.heard()
      if (this.#hello === null) this.#greeted(message)
      else this.#dispatch(message)
    } catch (error) {
      if (!ElenchusError.is(error)) throw error
      if (this.#hello === null) this.#refused(error.message)
      else void this.#fail(error.code, `broke the protocol: ${error.message.replace(/\.$/, '')}`)
    }
  }

  #greeted(message: IncomingMessage): void {
    if (message.kind !== 'hello')
      return this.#refused(`Its first message is ${message.kind}, not a greeting.`)
    const hello = parseBody(helloSchema, message.body, 'greeting')
    const reason = refusal(hello, this.#options.expected)
    if (reason !== null) return this.#refused(reason)
    this.#hello = hello
    this.#state = 'ready'
    const body = { heartbeat_s: this.#options.heartbeatS }
    void this.#options.send(encodeMessage({ kind: 'welcome', id: message.id, body }))
    this.#welcome(hello)
    this.#options.onChange()
  }

  #refused(reason: string): void {
    const error = new ElenchusError('handshake_refused', reason)
    void this.#options.send(encodeMessage({ kind: 'error', id: '', body: { ...toErrorBody(error) } }))
    void this.#fail('handshake_refused', `was refused: ${reason}`)
  }

  #dispatch(message: IncomingMessage): void {
    switch (message.kind) {
      case 'pong': {
        const pong = parseBody(pongSchema, message.body, 'pong')
        this.#watch.pong(pong)
        this.#delivery.pong(pong)
        return
      }
      case 'accepted':
        return this.#delivery.accepted(message)
      case 'event':
        this.#watch.progressed()
        this.#worked ||= message.body['type'] !== 'progress'
        return this.#delivery.event(message)
      case 'result': {
        this.#watch.progressed()
        const op = this.#delivery.result(message)
        this.#worked ||= op !== null && WORK.has(op)
        // A copy of a result says nothing new.
        if (op !== null) this.#options.onAnswered(message)
        return this.#options.onChange()
      }
      case 'error':
        this.#watch.progressed()
        this.#errorCame(message)
        this.#options.onAnswered(message)
        return this.#options.onChange()
      case 'bye':
        return this.#left()
      case 'hello':
      case 'welcome':
      case 'request':
      case 'ping':
      case 'cancel':
        throw new ElenchusError('protocol_violation', `A worker never sends ${message.kind}.`)
    }
  }

  #errorCame(message: IncomingMessage): void {
    const body = parseBody(errorBodySchema, message.body, 'error')
    const error = fromErrorBody(body, { rank: this.rank, epoch: this.epoch })
    // An error of no request: the worker could not make sense of what we sent.
    if (message.id === '') throw error
    this.#delivery.error(message, error)
  }

  /** The worker says goodbye of its own accord; its process must end now. */
  #left(): void {
    if (this.#state === 'ready') this.#state = 'leaving'
    void this.#process?.cancel(this.#options.limits.goodbyeS * 1000)
  }

  /** One heartbeat interval has passed. */
  tick(): void {
    if (this.#state === 'starting') return this.#tickStarting()
    if (this.#state !== 'ready') return
    const complaint = this.#watch.tick(this.#reachable, this.#delivery.size > 0)
    if (complaint !== null) {
      void this.#fail('worker_stalled', complaint, { dumpStacks: true })
      return
    }
    try {
      this.#delivery.tick()
    } catch (error) {
      if (!ElenchusError.is(error)) throw error
      void this.#fail(error.code, `does not do its work: ${error.message}`, { dumpStacks: true })
      return
    }
    void this.#ping()
  }

  #tickStarting(): void {
    this.#startingTicks += 1
    const { startS } = this.#options.limits
    if (this.#startingTicks * this.#options.heartbeatS > startS) {
      void this.#fail('worker_start_failed', `sent no greeting within ${startS} s`, { dumpStacks: true })
    }
  }

  async #ping(): Promise<void> {
    this.#pings += 1
    this.#reachable = await this.#options.send(
      encodeMessage({ kind: 'ping', id: String(this.#pings), body: {} }),
    )
  }

  async #exited(exit: ProcessExit): Promise<void> {
    await delay(LAST_WORDS_MS)
    if (this.#hello === null)
      await this.#fail('worker_start_failed', `did not start: it ${how(exit)}`, { exit })
    else await this.#fail('worker_died', `died: it ${how(exit)}`, { exit })
  }

  /** Ends it by force for a reason that is not its own: a sentence, to follow "Worker N". */
  end(reason: string): Promise<void> {
    return this.#fail('worker_stalled', reason)
  }

  /** Ends this link for good: every open call fails, and the process with all it started is killed. */
  async #fail(
    code: ErrorCode,
    what: string,
    facts: { readonly dumpStacks?: boolean; readonly exit?: ProcessExit } = {},
  ): Promise<void> {
    if (this.#state === 'down') return
    const phase = this.#hello === null ? 'start' : this.#watch.phase
    this.#state = 'down'
    if (facts.dumpStacks === true) await this.#process?.dumpStacks(this.#hello?.pid)
    // A refused worker is to read why, and to leave by itself; the others get no time.
    this.#killed = this.#kill(code === 'handshake_refused' ? KILL_AFTER_MS : 0)
    const tail = (await this.#process?.logs()) ?? ''
    const failureFor = (op: string | null): ElenchusError => {
      const doing = op === null ? '' : ` during ${op}`
      const log = tail === '' ? '' : `\nThe end of its log, ${this.#options.logFile}:\n${indented(tail)}`
      return new ElenchusError(code, `${this.#name()}, in phase "${phase}"${doing}, ${what}.${log}`, {
        details: {
          rank: this.rank,
          epoch: this.epoch,
          phase,
          op,
          logFile: this.#options.logFile,
          logTail: tail,
          ...(facts.exit === undefined ? {} : { exitCode: facts.exit.code, signal: facts.exit.signal }),
        },
      })
    }
    this.#end(failureFor(null), (call) => failureFor(call.op))
    await this.#killed
  }

  /** Ends the process by force, unless it ends by itself within the given time. */
  async #kill(afterMs: number): Promise<void> {
    if (this.#process === null) return
    if (afterMs > 0) await Promise.race([this.#process.exited, delay(afterMs, null, { ref: false })])
    await this.#process.cancel(0)
  }

  #end(failure: ElenchusError, failureFor: (call: OpenCall) => ElenchusError): void {
    this.#failure ??= failure
    this.#delivery.failAll(failureFor)
    this.#refuse(this.#failure)
    this.#wentDown()
    this.#options.onChange()
  }

  #name(): string {
    const pid = this.#process?.pid
    return pid === undefined ? `Worker ${this.rank}` : `Worker ${this.rank} (pid ${pid})`
  }

  /** Says goodbye and waits for the end of the process; kills it if it takes too long. Never rejects. */
  async close(): Promise<void> {
    const closed = new ElenchusError('cancelled', 'The worker group was closed.')
    const wasReady = this.#state === 'ready'
    this.#state = 'down'
    this.#end(closed, () => closed)
    if (this.#killed !== null) return this.#killed
    if (this.#process === null) return
    const { goodbyeS } = this.#options.limits
    if (wasReady) {
      void this.#options.send(encodeMessage({ kind: 'bye', id: 'bye', body: {} }))
      await Promise.race([this.#process.exited, delay(goodbyeS * 1000, null, { ref: false })])
    }
    if (this.#process.status() === 'running') await this.#process.cancel(KILL_AFTER_MS)
  }
}

function how(exit: ProcessExit): string {
  if (exit.reason !== undefined) return `could not be run (${exit.reason})`
  return exit.signal === null ? `exited with status ${exit.code}` : `was ended by ${exit.signal}`
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '  ')
}
