import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { compile } from '../support/compiled.ts'

const CONFIG = resolve(import.meta.dirname, '../../configs/oak.yaml')

test('embedded, it prints nothing, listens to nothing, ends nothing, and lets the process end', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'elenchus-quiet-'))
  try {
    await using compiled = await compile('tests/library/quiet-program.ts')
    const program = compiled.script('tests/library/quiet-program.ts')
    const child = spawn(process.execPath, [program, folder, CONFIG], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    })
    const exited = once(child, 'exit')
    const read = (pipe: unknown): Promise<string> => text(pipe as Readable)
    const [stdout, stderr, told] = await Promise.all([child.stdout, child.stderr, child.stdio[3]].map(read))
    expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' })
    expect(await exited).toEqual([0, null])
    expect(JSON.parse(told ?? '')).toEqual({
      traces: 6,
      failure: 'file_missing',
      listeners: [],
      exitCode: null,
    })
    expect(await readdir(join(folder, 'traces'))).toContain('traces.jsonl')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 300_000)
