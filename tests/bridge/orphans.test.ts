import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { alive, processesOf } from './harness.ts'
import { workerPython } from './worker-python.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const FIXTURES = join(import.meta.dirname, 'fixtures')
let dist = ''

// Orchestrators are processes of their own, and Node 20 runs no TypeScript: compile into a folder from which
// the packages are found.
beforeAll(() => {
  dist = mkdtempSync(join(ROOT, 'node_modules/.orphans-'))
  spawnSync(process.execPath, [
    join(ROOT, 'node_modules/typescript/bin/tsc'),
    '-p',
    join(ROOT, 'tsconfig.build.json'),
    '--outDir',
    dist,
  ])
})
afterAll(() => rmSync(dist, { recursive: true, force: true }))

/** Starts the orchestrator, with all its files in `folder`, and waits until its workers are there. */
async function orchestrate(folder: string, launcher: string, command: readonly string[]) {
  const orchestrator = spawn(
    process.execPath,
    [join(FIXTURES, 'starts-workers.mjs'), dist, folder, launcher, ...command],
    {
      env: {
        ...process.env,
        TMPDIR: folder,
        PYTHONPATH: join(ROOT, 'py-runtime'),
        ELENCHUS_PYTHON: workerPython ?? '',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  for await (const line of createInterface({ input: orchestrator.stdout })) {
    return { orchestrator, workers: JSON.parse(line) as number[] }
  }
  throw new Error('The orchestrator ended without having started workers.')
}

const REAL = workerPython === null
const WORKERS: readonly [string, string, readonly string[], number, boolean][] = [
  ['fixture workers', 'spawn', [process.execPath, join(FIXTURES, 'answers.mjs')], 1, false],
  ['real workers', 'spawn', [], 1, REAL],
  ['real workers under torchrun', 'torchrun', [], 5, REAL],
]

describe.each(WORKERS)('%s', (_name, launcher, command, seconds, skipped) => {
  test.skipIf(skipped)(`are gone within ${seconds} s of a kill -9 of their orchestrator`, async () => {
    const folder = mkdtempSync('/tmp/eo-')
    const { orchestrator, workers } = await orchestrate(folder, launcher, command)
    expect(workers.length).toBe(2)
    expect(workers.filter(alive)).toEqual(workers)
    const killed = performance.now()
    orchestrator.kill('SIGKILL')
    await expect.poll(() => workers.filter(alive), { interval: 5, timeout: 10_000 }).toEqual([])
    const took = performance.now() - killed
    expect(took).toBeLessThan(1000 * seconds)
    // Whatever a launcher starts beside them, such as torchrun's agent.
    await expect.poll(() => processesOf(folder), { timeout: 10_000 }).toEqual([])
    expect(performance.now() - killed).toBeLessThan(1000 * (seconds + 1))
    rmSync(folder, { recursive: true, force: true })
  })
})
