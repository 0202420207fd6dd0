import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ElenchusError } from '../../errors.ts'
import { throwIfAborted } from '../openai/http.ts'
import { serveCommand, serveEnvironment, type VllmServeOptions } from './command.ts'

export interface StartOptions extends Omit<VllmServeOptions, 'port'> {
  /** Device relative to CUDA_VISIBLE_DEVICES; absent: vLLM's own choice. */
  readonly gpu?: number | undefined
  readonly logDirectory: string
  /** How long loading may take. @default 1800000 */
  readonly readyMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

const POLL_MS = 250
const GRACE_MS = 10_000
const TAIL = 4000

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
  readonly #child: ChildProcess
  readonly #log: string

  private constructor(child: ChildProcess, url: string, log: string) {
    this.#child = child
    this.url = url
    this.#log = log
  }

  /**
   * Starts a server and waits until it is healthy.
   * @throws ElenchusError `environment` where there is no such program; `worker_start_failed` with the tail of its log.
   */
  static async start(options: StartOptions): Promise<VllmServer> {
    const port = await freePort()
    await mkdir(options.logDirectory, { recursive: true })
    const logFile = join(options.logDirectory, `vllm-${options.gpu ?? 0}.log`)
    const log = await open(logFile, 'a', 0o600)
    const [program, ...parameters] = [...WATCHED, ...serveCommand({ ...options, port })]
    const child = spawn(program, parameters, {
      detached: true,
      env: { ...process.env, ...serveEnvironment(options.gpu, process.env) },
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
    const server = new VllmServer(child, `http://127.0.0.1:${port}`, logFile)
    try {
      await server.#healthy(options)
      return server
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
  }

  async #healthy({ readyMs = 1_800_000, signal, command = ['vllm'] }: StartOptions): Promise<void> {
    const until = performance.now() + readyMs
    for (;;) {
      throwIfAborted(signal)
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        const tail = await this.#tail()
        if (this.#child.exitCode === 127) {
          throw new ElenchusError('environment', `There is no program "${command[0]}".`, {
            hint: 'Install vLLM in an environment of its own and name its program with --vllm-command.',
          })
        }
        throw new ElenchusError(
          'worker_start_failed',
          `vLLM did not start. The end of ${this.#log}:\n${tail}`,
        )
      }
      const reply = await fetch(`${this.url}/health`, { signal: AbortSignal.timeout(5000) }).catch(() => null)
      await reply?.arrayBuffer().catch(() => undefined)
      if (reply?.ok === true) return
      if (performance.now() > until) {
        throw new ElenchusError(
          'worker_start_failed',
          `vLLM was not ready after ${readyMs / 1000} s. The end of ${this.#log}:\n${await this.#tail()}`,
        )
      }
      await delay(POLL_MS)
    }
  }

  async #tail(): Promise<string> {
    return (await readFile(this.#log, 'utf8').catch(() => '')).slice(-TAIL)
  }

  /** Ends the server with everything that it has started. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    const exited = once(this.#child, 'exit')
    signalGroup(pid, 'SIGTERM')
    await Promise.race([exited, delay(GRACE_MS, undefined, { ref: false })])
    signalGroup(pid, 'SIGKILL')
    await exited
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
