import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { workerPython } from '../../bridge/worker-python.ts'

const MODULES = ['fastapi', 'uvicorn', 'openai', 'requests', 'transformers']
const probe =
  workerPython === null
    ? null
    : spawnSync(workerPython, [
        '-c',
        `import importlib.util as u; assert all(u.find_spec(m) for m in ${JSON.stringify(MODULES)})`,
      ])

/** Whether `transformers serve` can be started here. */
export const canServe = probe?.status === 0
if (!canServe) {
  process.stderr.write(
    'Tests against `transformers serve` are skipped: its packages are missing (requirements-dev.txt).\n',
  )
}

/** A real OpenAI-compatible server: `transformers serve` with one local model, on the CPU. */
export class TransformersServe implements AsyncDisposable {
  readonly url: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
  }

  static async start(model: string, folder: string): Promise<TransformersServe> {
    const port = await freePort()
    const log = join(folder, 'serve.log')
    const output = openSync(log, 'a')
    const program = 'import sys; from transformers.cli.transformers import main; sys.exit(main())'
    const flags = ['--host', '127.0.0.1', '--port', String(port), '--device', 'cpu', '--dtype', 'float32']
    const child = spawn(workerPython ?? '', ['-c', program, 'serve', ...flags, model], {
      stdio: ['ignore', output, output],
      env: { ...process.env, HF_HUB_OFFLINE: '1', OMP_NUM_THREADS: '1', HF_HOME: join(folder, 'hf') },
    })
    const url = `http://127.0.0.1:${port}`
    for (;;) {
      if (child.exitCode !== null) throw new Error(`transformers serve ended: ${readFileSync(log, 'utf8')}`)
      const reply = await fetch(`${url}/health`).catch(() => null)
      if (reply?.ok === true) return new TransformersServe(child, url)
      await delay(200)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    if (this.#child.exitCode === null) await ended
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}
