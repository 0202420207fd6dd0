import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import * as z from 'zod'
import { choosePython, RUNTIME_FOLDER } from '../bridge/launchers/python.ts'
import { ElenchusError } from '../errors.ts'
import { writeJsonAtomic } from '../runs/atomic.ts'
import { redacted } from '../runs/redact.ts'
import { type MetricsSink, numbersOf, type Row } from './sink.ts'

export interface WandbOptions {
  /** Directory of the run; `wandb/` and `wandb.json` (the id of the run at W&B) go there. */
  readonly dir: string
  readonly project: string
  /** Shown at W&B without its credentials: the resolved configuration. */
  readonly config: unknown
  readonly python?: string | undefined
  readonly onWarning: (message: string) => void
}

const CHECK_TIMEOUT_MS = 120_000

/**
 * A small Python process that hands rows to the `wandb` package; `WANDB_MODE=offline` and all its other settings work.
 * The id is kept with the run, so that a resumed run goes on in the same place. What is there already is not sent
 * again: the process knows it, from W&B itself or, offline, by beginning anew from all rows.
 * @throws ElenchusError `environment` if the package is missing.
 */
export async function wandbSink(options: WandbOptions): Promise<MetricsSink> {
  const python = choosePython(options.python)
  const env = {
    ...process.env,
    PYTHONPATH: [RUNTIME_FOLDER, process.env['PYTHONPATH']].filter(Boolean).join(':'),
  }
  const child = spawn(python, ['-m', 'elenchus_runtime.sink_wandb'], { env, stdio: ['pipe', 'pipe', 'pipe'] })
  let problems = ''
  child.stderr.on('data', (text: Buffer) => (problems = (problems + text.toString()).slice(-4000)))
  child.stdin.on('error', () => undefined)
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code))
    child.once('error', (error) => {
      problems += error.message
      resolve(null)
    })
  })
  const ready = once(child.stdout, 'data').then(() => true)
  child.stdin.write(
    `${JSON.stringify({ id: await idOf(options.dir), dir: options.dir, project: options.project, config: redacted(options.config) })}\n`,
  )
  const timer = setTimeout(() => child.kill('SIGKILL'), CHECK_TIMEOUT_MS)
  const started = await Promise.race([ready, exited.then(() => false)])
  clearTimeout(timer)
  if (!started) {
    const missing = problems.includes("No module named 'wandb'")
    throw new ElenchusError(
      'environment',
      missing ? 'The package wandb is not installed.' : `W&B could not be started:\n${problems.trim()}`,
      {
        hint: missing
          ? `Install it where the workers run: ${python} -m pip install wandb`
          : 'Log in with `wandb login`, or set WANDB_MODE=offline; or leave --wandb out.',
      },
    )
  }
  const sent = new Map<string, number>()
  return {
    update(stage, rows: readonly Row[]) {
      // After a cut, rows of steps that are done again come again with the same values; the process leaves them out.
      const from = Math.min(sent.get(stage) ?? 0, rows.length)
      for (const row of rows.slice(from)) {
        const { step, values } = numbersOf(row)
        child.stdin.write(`${JSON.stringify({ stage, step, values: Object.fromEntries(values) })}\n`)
      }
      sent.set(stage, rows.length)
      return Promise.resolve()
    },
    async close() {
      child.stdin.end()
      const code = await exited
      if (code !== 0)
        options.onWarning(`W&B did not end well (metrics.jsonl has everything): ${problems.trim()}`)
    },
  }
}

const storedSchema = z.object({ id: z.string().min(1) })

async function idOf(dir: string): Promise<string> {
  const path = join(dir, 'wandb.json')
  try {
    return storedSchema.parse(JSON.parse(await readFile(path, 'utf8'))).id
  } catch {
    const id = randomBytes(8).toString('hex')
    await writeJsonAtomic(path, { id })
    return id
  }
}
