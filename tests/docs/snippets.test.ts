import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compile, type Compiled } from '../support/compiled.ts'
import { blocksOf, PAGES, ROOT } from './pages.ts'

const run = promisify(execFile)
const blocks = PAGES.flatMap(blocksOf)

/** Names that a snippet may use without saying where they come from. */
const GIVEN = 'declare const modelOutput: string\ndeclare const text: string\n'

test('every TypeScript snippet has the types that it says', async () => {
  const snippets = blocks.filter(({ language }) => language === 'ts')
  expect(snippets.length).toBeGreaterThan(0)
  const cache = join(ROOT, 'node_modules/.cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'elenchus-snippets-'))
  try {
    const names = snippets.map(({ at }) => `${at.replaceAll(/\W/g, '_')}.ts`)
    await writeFile(join(folder, 'given.d.ts'), GIVEN)
    for (const [index, { text, note }] of snippets.entries()) {
      const given = /^given: (.*)$/.exec(note)?.[1] ?? ''
      await writeFile(join(folder, names[index] ?? ''), `${given}\n${text}\nexport {}\n`)
    }
    const config = join(folder, 'tsconfig.json')
    const options = {
      paths: {
        elenchus: [join(ROOT, 'src/index.ts')],
        'elenchus/testing': [join(ROOT, 'src/testing/index.ts')],
      },
      typeRoots: [join(ROOT, 'node_modules/@types')],
    }
    await writeFile(
      config,
      JSON.stringify({
        extends: join(ROOT, 'tsconfig.json'),
        compilerOptions: options,
        include: [],
        files: [...names, 'given.d.ts'],
      }),
    )
    const { stdout } = await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', config]).catch(
      (error: { stdout: string }) => error,
    )
    expect(stdout).toBe('')
  } finally {
    await rm(folder, { recursive: true })
  }
}, 300_000)

let compiled: Compiled
let folder: string
beforeAll(async () => {
  compiled = await compile('src/cli/main.ts')
  folder = await mkdtemp(join(tmpdir(), 'elenchus-docs-'))
  for (const name of ['configs', 'examples', 'docs']) await symlink(join(ROOT, name), join(folder, name))
})
afterAll(async () => {
  await compiled[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const runnable = blocks.filter(({ note }) => note === 'runs')

test.each(runnable.map(({ at, text }) => [at, text]))(
  '%s: runs as it stands',
  async (_, text) => {
    const program = `set -euo pipefail
elenchus() { ${process.execPath} ${compiled.script('src/cli/main.ts')} "$@"; }
npx() { shift; elenchus "$@"; }
${text}`
    // A command that fails ends the block, and rejects.
    await expect(run('bash', ['-c', program], { cwd: folder })).resolves.toBeDefined()
  },
  180_000,
)
