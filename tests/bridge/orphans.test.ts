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
async function orchestrate(folder: string, command: readonly string[]) {
  const orchestrator = spawn(
    process.execPath,
    [join(FIXTURES, 'starts-workers.mjs'), dist, folder, ...command],
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

const WORKERS: readonly [string, readonly string[], boolean][] = [
  ['fixture workers', [process.execPath, join(FIXTURES, 'answers.mjs')], false],
  ['real workers', [], workerPython === null],
]

describe.each(WORKERS)('%s', (_name, command, skipped) => {
  test.skipIf(skipped)('are gone within a second of a kill -9 of their orchestrator', async () => {
    const folder = mkdtempSync('/tmp/eo-')
    const { orchestrator, workers } = await orchestrate(folder, command)
    expect(workers.length).toBe(2)
    expect(workers.filter(alive)).toEqual(workers)
    const killed = performance.now()
    orchestrator.kill('SIGKILL')
    await expect.poll(() => workers.filter(alive), { interval: 5, timeout: 10_000 }).toEqual([])
    const took = performance.now() - killed
    expect(took).toBeLessThan(1000)
    expect(await processesOf(folder)).toEqual([])
    rmSync(folder, { recursive: true, force: true })
  })
})
