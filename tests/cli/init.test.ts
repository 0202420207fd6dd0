import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { pipelineSchema } from '../../src/config/pipeline.ts'
import { createProgram } from '../support/program.ts'

test('init writes a configuration that is valid, and never overwrites one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'elenchus-init-'))
  const path = join(folder, 'mine/oak.yaml')
  const stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const init = (...words: readonly string[]) =>
    createProgram().parseAsync(['init', 'oak', path, ...words], { from: 'user' })
  try {
    await init('--output', join(folder, 'run'))
    expect(await loadConfig(path, pipelineSchema)).toMatchObject({ output: join(folder, 'run') })
    const [, schema = ''] = /\$schema=(.*)\n/.exec(await readFile(path, 'utf8')) ?? []
    expect(JSON.parse(await readFile(join(folder, 'mine', schema), 'utf8'))).toHaveProperty('properties.sft')
    await expect(init()).rejects.toThrow('exists already')
  } finally {
    stdout.mockRestore()
    await rm(folder, { recursive: true })
  }
})
