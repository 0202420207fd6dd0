import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { compile, type Compiled } from './compiled.ts'

const ROOT = resolve(import.meta.dirname, '../..')

export interface Ended {
  /** Null after a signal. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The command line as a process of its own, compiled from the sources as they are. */
export class Elenchus implements AsyncDisposable {
  readonly #compiled: Compiled
  readonly #running = new Set<ChildProcess>()

  private constructor(compiled: Compiled) {
    this.#compiled = compiled
  }

  static async compile(): Promise<Elenchus> {
    return new Elenchus(await compile('src/cli/main.ts'))
  }

  /** The compiled program, and what its environment needs, for tests that start it themselves. */
  get program(): string {
    return this.#compiled.script('src/cli/main.ts')
  }

  readonly env = { ELENCHUS_PYTHON: join(ROOT, '.venv/bin/python'), OMP_NUM_THREADS: '1' }

  start(...args: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
    const child = spawn(process.execPath, [this.program, ...args], {
      env: { ...process.env, ...this.env },
    })
    this.#running.add(child)
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (text: Buffer) => (stdout += text.toString()))
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
    const ended = once(child, 'close').then(() => {
      this.#running.delete(child)
      return { code: child.exitCode, stdout, stderr }
    })
    return { child, ended }
  }

  run(...args: readonly string[]): Promise<Ended> {
    return this.start(...args).ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#running) child.kill('SIGKILL')
    await this.#compiled[Symbol.asyncDispose]()
  }
}
