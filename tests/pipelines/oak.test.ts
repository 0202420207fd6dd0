import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deriveSeed, Rng } from '../../src/random.ts'
import { compile, type Compiled } from '../support/compiled.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const CONFIG = join(ROOT, 'tests/pipelines/micro.oak.yaml')

let compiled: Compiled
let folder: string
const running = new Set<ChildProcess>()

beforeAll(async () => {
  compiled = await compile('src/cli/main.ts')
  folder = await mkdtemp(join(tmpdir(), 'elenchus-oak-'))
})
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL')
  await compiled[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(...args: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [compiled.script('src/cli/main.ts'), ...args], {
    env: { ...process.env, ELENCHUS_PYTHON: join(ROOT, '.venv/bin/python'), OMP_NUM_THREADS: '1' },
  })
  running.add(child)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()))
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
  const ended = once(child, 'close').then(() => {
    running.delete(child)
    return { code: child.exitCode, stdout, stderr }
  })
  return { child, ended }
}

const WITHOUT_CONTROLS = ['--set', 'controls.more_sft=false', '--set', 'controls.careful_sft=false']

function runArgs(output: string, ...more: readonly string[]): string[] {
  return ['run', CONFIG, '--json', '--set', `output=${output}`, ...WITHOUT_CONTROLS, ...more]
}

/** SHA-256 of everything that a run produces and that does not tell the time. */
async function fingerprints(output: string): Promise<Record<string, string>> {
  const files = await readdir(output, { recursive: true })
  const products = files.filter((file) =>
    /(\.jsonl|adapter_model\.safetensors|model\.safetensors)$/.test(file),
  )
  const result: Record<string, string> = {}
  for (const file of products.sort()) {
    // Rotated checkpoints depend on where a run was interrupted.
    if (file.includes('checkpoint-')) continue
    result[file] = createHash('sha256')
      .update(await readFile(join(output, file)))
      .digest('hex')
  }
  return result
}

test('the loop runs for real, and kill -9 at random moments changes no byte of what it produces', async () => {
  const calm = join(folder, 'calm')
  const { code, stdout, stderr } = await start(...runArgs(calm)).ended
  expect(stderr).not.toContain('"stage_failed"')
  expect(code, stderr).toBe(0)
  const summary = JSON.parse(stdout) as { iterations: { iteration: number; traces: number; pairs: number }[] }
  expect(summary.iterations.map((row) => row.iteration)).toEqual([0, 1, 2])
  expect(summary.iterations[1]).toMatchObject({ traces: 96 })
  expect(summary.iterations[1]?.pairs).toBeGreaterThan(0)
  const wanted = await fingerprints(calm)
  expect(Object.keys(wanted)).toContain('traces/iter2/traces.jsonl')
  expect(Object.keys(wanted)).toContain('dpo/iter2/final/adapter_model.safetensors')

  const rough = join(folder, 'rough')
  const rng = new Rng(deriveSeed(Date.now(), 'kills'))
  const delays: number[] = []
  for (let kill = 0; kill < 6; kill++) {
    const { child, ended } = start(...runArgs(rough, '--resume'))
    const delay = 2500 + rng.int(5000)
    delays.push(delay)
    await Promise.race([sleep(delay), ended])
    child.kill('SIGKILL')
    await ended
  }
  const last = await start(...runArgs(rough, '--resume')).ended
  expect(last.code, last.stderr).toBe(0)
  expect(await fingerprints(rough), `killed after ${delays.join(', ')} ms`).toEqual(wanted)

  // A finished run: nothing is done again, and without --resume nothing is touched.
  const again = await start(...runArgs(rough, '--resume')).ended
  expect(again.code).toBe(0)
  const refused = await start(...runArgs(rough)).ended
  expect(refused.code).toBe(2)
  expect(refused.stderr).toMatch(/--resume/)
  const changed = await start(...runArgs(rough, '--resume', '--set', 'sft.learning_rate=0.5')).ended
  expect(changed.code).toBe(2)
  expect(changed.stderr).toMatch(/learning_rate: 0\.001 -> 0\.5/)
}, 300_000)
