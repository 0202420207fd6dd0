import { spawn, type ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import * as z from 'zod'
import { ElenchusError } from '../errors.ts'
import { Z3_PROGRAM } from './z3-program.ts'

/** Loading the WebAssembly takes 0.2 s; a machine under load takes longer. */
const START_TIMEOUT_MS = 60_000

const replySchema = z.union([
  z.object({ ready: z.literal(true) }),
  z.object({ failed: z.string() }),
  z.object({ id: z.number(), result: z.literal([-1, 0, 1]), reason: z.string() }),
  z.object({ id: z.number(), error: z.string() }),
  z.object({ id: z.number(), crash: z.string() }),
])

/** One question: are the assertions of an SMT-LIB script satisfiable? */
export interface Z3Question {
  readonly script: string
  /** Z3's deterministic resource limit. */
  readonly rlimit: number
  /** Wall time from the moment the question is sent. */
  readonly timeoutMs: number
}

/** What became of a question; `gave-up` covers Z3's own "unknown", the wall time, and a process that died. */
export type Z3Answer =
  | { readonly kind: 'sat' | 'unsat' }
  | { readonly kind: 'gave-up'; readonly reason: string }
  /** Z3 could not read the script. */
  | { readonly kind: 'refused'; readonly message: string }

interface Pending {
  readonly id: number
  /** `clean`: the process is as good as new, and may be asked again. */
  readonly settle: (answer: Z3Answer, clean: boolean) => void
}

/**
 * Z3 in a process of its own, which can be killed at any moment: started with the first question, started again
 * after a crash or a timeout, and no reason for the parent to stay alive while it idles. One question at a time.
 */
export class Z3Process implements AsyncDisposable {
  #child: ChildProcess | null = null
  #ready: Promise<void> | null = null
  #pending: Pending | null = null
  #nextId = 0
  #queue: Promise<unknown> = Promise.resolve()
  #disposed = false

  /** Asks when the questions before it are done. */
  ask(question: Z3Question): Promise<Z3Answer> {
    const answer = this.#queue.then(() => this.#askNow(question))
    this.#queue = answer.catch(() => undefined)
    return answer
  }

  /** Process id of the running Z3, for diagnostics; undefined while none runs. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    await this.#stop()
  }

  async #askNow(question: Z3Question): Promise<Z3Answer> {
    if (this.#disposed) throw new ElenchusError('internal', 'Z3 was asked after it had been disposed of.')
    const child = this.#child ?? this.#start()
    hold(child)
    try {
      await this.#ready
      return await this.#send(child, question)
    } finally {
      release(child)
    }
  }

  async #send(child: ChildProcess, { script, rlimit, timeoutMs }: Z3Question): Promise<Z3Answer> {
    const id = this.#nextId++
    const { promise, resolve } = withResolvers<{ answer: Z3Answer; clean: boolean }>()
    const settle: Pending['settle'] = (answer, clean) => resolve({ answer, clean })
    const giveUp = (reason: string): void => settle({ kind: 'gave-up', reason }, false)
    this.#pending = { id, settle }
    const timer = setTimeout(() => giveUp(`Z3 took longer than ${timeoutMs} ms`), timeoutMs)
    child.send({ id, script, rlimit }, (error) => {
      if (error !== null) giveUp(`Z3 could not be reached: ${error.message}`)
    })
    const { answer, clean } = await promise
    clearTimeout(timer)
    this.#pending = null
    // A question out of time may be worked on for ever; a process in which one failed is not trusted with the next.
    if (!clean) await this.#stop()
    return answer
  }

  #start(): ChildProcess {
    const solver = createRequire(import.meta.url).resolve('z3-solver')
    const child = spawn(process.execPath, ['--eval', Z3_PROGRAM, solver], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      serialization: 'json',
    })
    this.#child = child
    const { promise, resolve, reject } = withResolvers<undefined>()
    const timer = setTimeout(() => reject(startFailed('it was not ready in time')), START_TIMEOUT_MS)
    const ended = (reason: string): void => {
      clearTimeout(timer)
      reject(startFailed(reason))
      if (this.#child !== child) return
      this.#child = null
      this.#pending?.settle({ kind: 'gave-up', reason: `Z3 failed: ${reason}` }, false)
    }
    child.on('message', (message) => {
      const reply = replySchema.parse(message)
      if ('ready' in reply) {
        clearTimeout(timer)
        resolve(undefined)
      } else if ('failed' in reply) {
        ended(reply.failed)
      } else if (reply.id === this.#pending?.id) {
        const [answer, clean] = answerOf(reply)
        this.#pending.settle(answer, clean)
      }
    })
    child.on('error', (error) => ended(error.message))
    child.on('exit', (code, signal) => ended(`the process ended (${signal ?? `exit ${code}`})`))
    this.#ready = promise
    // Whoever waits for `ready` sees the failure; without a waiter it is no unhandled rejection.
    promise.catch(() => undefined)
    return child
  }

  async #stop(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    hold(child)
    child.kill('SIGKILL')
    await ended
  }
}

type Verdict = Extract<z.infer<typeof replySchema>, { id: number }>

function answerOf(reply: Verdict): readonly [Z3Answer, clean: boolean] {
  if ('crash' in reply) return [{ kind: 'gave-up', reason: `Z3 failed: ${reply.crash}` }, false]
  if ('error' in reply) return [{ kind: 'refused', message: reply.error }, true]
  if (reply.result === 0) return [{ kind: 'gave-up', reason: `Z3 gave up: ${reply.reason}` }, true]
  return [{ kind: reply.result === 1 ? 'sat' : 'unsat' }, true]
}

function startFailed(reason: string): ElenchusError {
  return new ElenchusError('environment', `Z3 could not be started: ${reason}.`)
}

/** While a question is open, the process keeps its parent alive. */
function hold(child: ChildProcess): void {
  child.ref()
  child.channel?.ref()
}

function release(child: ChildProcess): void {
  child.unref()
  child.channel?.unref()
}

interface Resolvers<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: Error) => void
}

/** `Promise.withResolvers`, which Node 20 lacks. */
function withResolvers<T>(): Resolvers<T> {
  let resolve: ((value: T) => void) | undefined
  let reject: ((error: Error) => void) | undefined
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  if (resolve === undefined || reject === undefined) throw new ElenchusError('internal', 'No executor ran.')
  return { promise, resolve, reject }
}
