import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ElenchusError } from '../../errors.ts'
import { throwIfAborted } from '../openai/http.ts'
import {
  DEFAULT_COMMAND,
  noProgram,
  serveCommand,
  serveEnvironment,
  type VllmServeOptions,
} from './command.ts'

export interface StartOptions extends Omit<VllmServeOptions, 'port'> {
  /** Device relative to CUDA_VISIBLE_DEVICES; absent: vLLM's own choice. */
  readonly gpu?: number | undefined
  /** What it is to ask its users for. */
  readonly key: string
  readonly logDirectory: string
  /** How long loading may take. @default 1800000 */
  readonly readyMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

const READY_MS = 1_800_000
const POLL_MS = 250
const GRACE_MS = 10_000
const TAIL = 3000
const NO_SUCH_PROGRAM = 127
/** The last line of a Python traceback, alone or behind what vLLM puts before its lines. */
const FIRST_ERROR = /^(?:\([^)\n]*\) )?(?:ERROR [^\]\n]*\] )?([\w.]*(?:Error|Exception): .*)$/m

/** Servers that run now: none of them outlives an exit of this process. The listener is there while they are. */
const running = new Set<number>()

function killAll(): void {
  for (const pid of running) signalGroup(pid, 'SIGKILL')
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // The group is gone already.
  }
}

/**
 * Ends the server's group when this process is gone, also after `kill -9`: the shell's standard input is a pipe of
 * ours, and its end is the end of all of them. vLLM starts processes of its own, which share the group.
 */
const WATCHED = ['sh', '-c', '(cat >/dev/null <&3; kill -KILL 0) & exec 3<&-; exec "$@"', 'sh'] as const

/** One `vllm serve` in a process group of its own. */
export class VllmServer implements AsyncDisposable {
  readonly url: string
  readonly gpu: number | undefined
  /** Comes only if it ends by itself: why. */
  readonly died: Promise<ElenchusError>
  readonly #child: ChildProcess
  readonly #log: Log
  #ending = false

  private constructor(child: ChildProcess, url: string, log: Log, gpu: number | undefined) {
    this.#child = child
    this.url = url
    this.gpu = gpu
    this.#log = log
    this.died = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        if (!this.#ending) resolve(this.#whyItEnded(code, signal))
      })
    })
  }

  async #whyItEnded(code: number | null, signal: NodeJS.Signals | null): Promise<ElenchusError> {
    const how = signal === null ? `with exit status ${code}` : `by ${signal}`
    const message = `vLLM ended ${how}. ${await this.#log.describe()}`
    return new ElenchusError('worker_died', message, { details: { code, signal } })
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /**
   * Starts a server and waits until it is healthy.
   * @throws ElenchusError `environment` where there is no such program; `worker_start_failed` with what its log says.
   */
  static async start(options: StartOptions): Promise<VllmServer> {
    const { gpu, key, readyMs = READY_MS } = options
    const port = await freePort()
    await mkdir(options.logDirectory, { recursive: true })
    const log = await Log.open(join(options.logDirectory, `vllm-${gpu ?? 0}.log`))
    const [program, ...parameters] = [...WATCHED, ...serveCommand({ ...options, port })]
    const child = spawn(program, parameters, {
      detached: true,
      env: { ...process.env, ...serveEnvironment({ gpu, key, readyMs }, process.env) },
      stdio: ['ignore', log.fd, log.fd, 'pipe'],
    })
    await log.close()
    const { pid } = child
    if (pid === undefined) throw new ElenchusError('environment', 'There is no "sh" to start vLLM with.')
    if (running.size === 0) process.on('exit', killAll)
    running.add(pid)
    child.once('exit', () => {
      running.delete(pid)
      if (running.size === 0) process.off('exit', killAll)
      signalGroup(pid, 'SIGKILL')
    })
    const server = new VllmServer(child, `http://127.0.0.1:${port}`, log, gpu)
    try {
      await server.#healthy(options)
      return server
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
  }

  async #healthy({ readyMs = READY_MS, signal, command = DEFAULT_COMMAND }: StartOptions): Promise<void> {
    const until = performance.now() + readyMs
    for (;;) {
      throwIfAborted(signal)
      if (!this.alive) {
        if (this.#child.exitCode === NO_SUCH_PROGRAM) throw noProgram(command[0])
        throw new ElenchusError('worker_start_failed', `vLLM did not start. ${await this.#log.describe()}`)
      }
      const reply = await fetch(`${this.url}/health`, { signal: AbortSignal.timeout(5000) }).catch(() => null)
      await reply?.arrayBuffer().catch(() => undefined)
      if (reply?.ok === true) return
      if (performance.now() > until) {
        throw new ElenchusError(
          'worker_start_failed',
          `vLLM was not ready after ${readyMs / 1000} s. ${await this.#log.describe()}`,
          { hint: 'If it is only slow, raise --vllm-ready (seconds).' },
        )
      }
      await delay(POLL_MS)
    }
  }

  /** Ends the server with everything that it has started. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true
    const { pid } = this.#child
    if (pid === undefined || !this.alive) return
    const exited = once(this.#child, 'exit')
    signalGroup(pid, 'SIGTERM')
    await Promise.race([exited, delay(GRACE_MS, undefined, { ref: false })])
    signalGroup(pid, 'SIGKILL')
    await exited
  }
}

/** What one server writes: all of a device write to one file, one after the other. */
class Log {
  readonly #path: string
  readonly #from: number
  readonly #handle: Awaited<ReturnType<typeof open>>

  private constructor(path: string, from: number, handle: Awaited<ReturnType<typeof open>>) {
    this.#path = path
    this.#from = from
    this.#handle = handle
  }

  static async open(path: string): Promise<Log> {
    const handle = await open(path, 'a', 0o600)
    return new Log(path, (await handle.stat()).size, handle)
  }

  get fd(): number {
    return this.#handle.fd
  }

  /** On this side; the server has its own. */
  close(): Promise<void> {
    return this.#handle.close()
  }

  /** The first error, since others follow from it, and how it ends. */
  async describe(): Promise<string> {
    const text = await readFile(this.#path)
      .then((bytes) => bytes.subarray(this.#from).toString('utf8'))
      .catch(() => '')
    const [, first] = FIRST_ERROR.exec(text) ?? []
    const cause = first === undefined ? '' : `The first error in its log: ${first}\n`
    return `${cause}The end of ${this.#path}:\n${text.slice(-TAIL)}`
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string')
    throw new ElenchusError('internal', 'No port was given.')
  return address.port
}
