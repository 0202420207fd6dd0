import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compile, type Compiled } from '../support/compiled.ts'

const DOC = resolve(import.meta.dirname, '../../docs/verify.md')

let compiled: Compiled
let folder: string

beforeAll(async () => {
  compiled = await compile('src/cli/main.ts')
  folder = await mkdtemp(join(tmpdir(), 'elenchus-verify-'))
})
afterAll(async () => {
  await compiled[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

test('docs/verify.md: each file gives the document that stands below its command', async () => {
  const doc = await readFile(DOC, 'utf8')
  const examples = [
    ...doc.matchAll(/```jsonl\n([^]*?)```\n\n```sh\nelenchus (.*)\n```\n\n```json\n([^]*?)```/g),
  ]
  expect(examples).toHaveLength(2)
  for (const [, input = '', command = '', output = ''] of examples) {
    const [file = ''] = /\w+\.jsonl/.exec(command) ?? []
    await writeFile(join(folder, file), input)
    const args = [compiled.script('src/cli/main.ts'), ...command.split(' ')]
    const printed = execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
    expect(JSON.parse(printed)).toEqual(JSON.parse(output))
  }
})
