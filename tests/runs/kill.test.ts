import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { Socket } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { JsonlWriter, readJsonl } from '../../src/runs/jsonl.ts'
import { readManifest } from '../../src/runs/manifest.ts'
import { ownIdentity } from '../../src/runs/process-identity.ts'
import { openStage } from '../../src/runs/stage.ts'
import { compile, type Compiled } from '../support/compiled.ts'

const FIXTURES = 'tests/runs/fixtures'
let compiled: Compiled
let folder: string
let dir: string

beforeAll(async () => {
  const names = ['resumable-stage', 'hold-stage', 'fill-disk']
  compiled = await compile(...names.map((name) => `${FIXTURES}/${name}.ts`))
})
afterAll(() => compiled[Symbol.asyncDispose]())
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-'))
  dir = join(folder, 'run')
})
afterEach(() => rm(folder, { recursive: true }))

type Child = ChildProcessByStdio<Writable, Readable, null>

function start(fixture: string, ...args: readonly string[]): Child {
  const script = compiled.script(`${FIXTURES}/${fixture}.ts`)
  return spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
}

async function firstLine(child: Child): Promise<string> {
  for await (const line of createInterface(child.stdout)) return line
  return ''
}

/** Everything that a pipe of a child brings. */
async function readAll(pipe: unknown): Promise<string> {
  if (!(pipe instanceof Socket)) throw new TypeError('no pipe')
  const chunks: Buffer[] = []
  for await (const chunk of pipe) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString()
}

async function kill(child: Child): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

test('a stage that is killed again and again ends with the same bytes as one that is not', async () => {
  const total = '1500'
  const undisturbed = start('resumable-stage', join(folder, 'undisturbed'), total)
  expect((await once(undisturbed, 'exit'))[0]).toBe(0)
  const expected = await readFile(join(folder, 'undisturbed/records.jsonl'))

  let kills = 0
  let torn = 0
  for (let code: number | null = null; code === null;) {
    expect(kills).toBeLessThan(200)
    const child = start('resumable-stage', dir, total)
    const exit = once(child, 'exit')
    // Now and then before it has opened anything, mostly while it writes.
    const ready = Math.random() < 0.1 ? sleep(Math.random() * 120) : Promise.race([firstLine(child), exit])
    await ready.then(() => sleep(Math.random() * 80))
    child.kill('SIGKILL')
    const [status]: unknown[] = await exit
    code = typeof status === 'number' ? status : null
    if (code === null) kills++
    const text = await readFile(join(dir, 'records.jsonl'), 'utf8').catch(() => '')
    if (text !== '' && !text.endsWith('\n')) torn++
    expect(code ?? 0).toBe(0)
  }
  console.info(`${kills} kills, ${torn} of them left a torn last line`)
  expect(kills).toBeGreaterThan(2)
  expect((await readFile(join(dir, 'records.jsonl'))).equals(expected)).toBe(true)
  expect((await readManifest(dir))?.state).toBe('finished')
  const left = (await readdir(dir)).filter((name) => !name.startsWith('.'))
  expect(left.sort()).toEqual(['manifest.json', 'records.jsonl', 'summary.json'])
})

describe('two processes in one directory', () => {
  test('the second is refused and told by whom; after kill -9 of the first it goes on at once', async () => {
    const first = start('hold-stage', dir)
    expect(await firstLine(first)).toBe('held')
    const refused = openStage({ dir, stage: 'test', config: {}, inputs: {}, resume: true })
    await expect(refused).rejects.toMatchObject({ code: 'run_locked', details: { pid: first.pid } })
    await expect(refused).rejects.toThrow(`process ${first.pid} on ${hostname()}`)
    await kill(first)
    await using run = await openStage({ dir, stage: 'test', config: {}, inputs: {}, resume: true })
    expect(run.state).toBe('resumed')
  })

  test('of several that find the lock of a dead process, exactly one takes it over', async () => {
    for (let round = 0; round < 3; round++) {
      const first = start('hold-stage', dir)
      expect(await firstLine(first)).toBe('held')
      await kill(first)
      await rm(join(dir, 'holder'))
      const rivals = Array.from({ length: 4 }, () => start('hold-stage', dir))
      const answers = await Promise.all(rivals.map(firstLine))
      expect(answers.sort()).toEqual(['held', 'run_locked', 'run_locked', 'run_locked'])
      for (const rival of rivals) rival.stdin.end()
      await Promise.all(rivals.map(async (rival) => rival.exitCode ?? once(rival, 'exit')))
      expect((await readdir(dir)).filter((name) => name.includes('lock'))).toEqual([])
    }
  })

  /** The lock that an owner with these changes would have left in the directory of an unfinished run. */
  const leaveLock = async (changes: object, secondsAgo: number): Promise<void> => {
    const path = join(dir, 'run.lock')
    await rm(path, { force: true })
    await open()
    await writeFile(path, JSON.stringify({ ...ownIdentity(), ...changes }))
    const time = Date.now() / 1000 - secondsAgo
    await utimes(path, time, time)
  }
  const open = async (): Promise<string> => {
    await using run = await openStage({ dir, stage: 'test', config: {}, inputs: {}, resume: true })
    return run.state
  }
  const elsewhere = { host: 'other', boot_id: 'b', pid_namespace: 'pid:[1]' }

  test('a lock from elsewhere holds while it is touched, and falls after two minutes of silence', async () => {
    await leaveLock(elsewhere, 60)
    await expect(open()).rejects.toMatchObject({ code: 'run_locked', details: { host: 'other' } })
    await leaveLock(elsewhere, 300)
    expect(await open()).toBe('resumed')
  })

  test.skipIf(process.platform !== 'linux')(
    'a reused process number is not taken for the owner',
    async () => {
      await leaveLock({ start_ticks: '1' }, 0)
      expect(await open()).toBe('resumed')
    },
  )

  test('a lock that names nobody is refused, and falls when it is old', async () => {
    await leaveLock({ pid: 'nobody' }, 0)
    await expect(open()).rejects.toMatchObject({
      code: 'run_locked',
      hint: expect.stringContaining('remove'),
    })
    await leaveLock({ pid: 'nobody' }, 300)
    expect(await open()).toBe('resumed')
  })
})

describe('a full disk', () => {
  const outcome = z.object({
    failures: z.array(z.object({ code: z.string(), message: z.string() })),
    closed: z.boolean(),
  })

  const facts = {
    // The write that fails and the two calls after it; not the closing, which would hide the first.
    codes: ['io_failed', 'io_failed', 'io_failed'],
    closed: true,
    endsWithNewline: true,
    continued: true,
  }

  /** What the program reported, and whether its file holds whole records only and can be continued. */
  async function inspect(stdout: string, path: string): Promise<typeof facts & { message: string }> {
    const { failures, closed } = outcome.parse(JSON.parse(stdout))
    const text = await readFile(path, 'utf8')
    const records = text.trimEnd().split('\n').length
    let existing: number
    {
      await using writer = await JsonlWriter.open(path, { resume: true })
      existing = writer.existing
      await writer.write({ index: records, text: '' })
    }
    let next = 0
    for await (const { index } of readJsonl(path, z.looseObject({ index: z.number() }))) {
      if (index === next) next++
    }
    return {
      codes: failures.map(({ code }) => code),
      message: failures[0]?.message ?? '',
      closed,
      endsWithNewline: text.endsWith('}\n'),
      continued: records > 20 && existing === records && next === records + 1,
    }
  }

  test.skipIf(process.platform === 'win32')('of limited file size', async () => {
    const path = join(folder, 'records.jsonl')
    const command = 'ulimit -f 100; exec "$0" "$1" "$2"'
    const script = compiled.script(`${FIXTURES}/fill-disk.ts`)
    const { stdout } = await promisify(execFile)('bash', ['-c', command, process.execPath, script, path])
    expect(await inspect(stdout, path)).toEqual({ ...facts, message: expect.stringContaining('EFBIG') })
  })

  test('of a small file system', async ({ skip }) => {
    const path = join(folder, 'records.jsonl')
    const mount = `mount -t tmpfs -o size=128k tmpfs '${folder}'`
    const command = `${mount} && "$0" "$1" '${path}' && cat '${path}' >&3`
    const script = compiled.script(`${FIXTURES}/fill-disk.ts`)
    const shell = ['-Urm', 'bash', '-c', command, process.execPath, script]
    const allowed = await promisify(execFile)('unshare', ['-Urm', 'bash', '-c', mount]).then(
      () => true,
      () => false,
    )
    if (!allowed) skip('this machine does not let tests mount a small file system')
    const child = spawn('unshare', shell, { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] })
    const [stdout, content] = await Promise.all([child.stdio[1], child.stdio[3]].map(readAll))
    await writeFile(path, content ?? '')
    expect(await inspect(stdout ?? '', path)).toEqual({
      ...facts,
      message: expect.stringContaining('ENOSPC'),
    })
  })
})
