import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)

let folder: string
let files: string[]
let project: string

/** A checkout with a build of its own: others may be building in this one. */
async function stage(): Promise<string> {
  const checkout = join(folder, 'checkout')
  await mkdir(checkout)
  const { files: shipped } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    files: string[]
  }
  const tops = new Set(
    shipped.filter((path) => !path.startsWith('!')).map((path) => path.split('/')[0] ?? ''),
  )
  for (const name of [...tops, 'package.json', 'README.md', 'LICENSE']) {
    if (name !== 'dist') await cp(join(ROOT, name), join(checkout, name), { recursive: true })
  }
  await run(
    join(ROOT, 'node_modules/.bin/tsc'),
    ['-p', 'tsconfig.build.json', '--outDir', join(checkout, 'dist')],
    {
      cwd: ROOT,
    },
  )
  return checkout
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-pack-'))
  const checkout = await stage()
  // Without scripts: `prepack` would build again.
  const arguments_ = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const { stdout } = await run('npm', arguments_, { cwd: checkout })
  const [packed] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[]
  files = packed?.files.map(({ path }) => path) ?? []
  project = join(folder, 'project')
  await mkdir(project)
  await writeFile(join(project, 'package.json'), '{"name":"somebody","private":true}')
  const tarball = join(folder, packed?.filename ?? '')
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball], { cwd: project })
}, 600_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('the package', () => {
  test('holds the runtime of the workers, without tests, caches and sources', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'dist/cli/main.js',
        'dist/index.d.ts',
        'py-runtime/elenchus_runtime/worker.py',
        'requirements.txt',
        'configs/oak.yaml',
        'configs/schema/oak.schema.json',
        'README.md',
        'LICENSE',
      ]),
    )
    const unwanted = files.filter((path) =>
      /(?:^|\/)(?:tests?|__pycache__|bench|src|node_modules)\/|\.egg-info|\.pyc$/.test(path),
    )
    expect(unwanted).toEqual([])
    expect(files.every((path) => !path.startsWith('py-runtime/') || /\.(?:py|toml|md)$/.test(path))).toBe(
      true,
    )
  })

  test('has what it promises: every file of `exports`, `bin`', async () => {
    const manifest = await readFile(join(ROOT, 'package.json'), 'utf8')
    for (const [, path = ''] of manifest.matchAll(/"\.\/([^"*]+\.(?:js|d\.ts))"/g))
      expect(files).toContain(path)
  })
})

describe('installed into an empty project', () => {
  const npx = (...words: readonly string[]) =>
    run('npx', ['--no-install', 'elenchus', ...words], { cwd: project })

  test('npx elenchus --help', async () => {
    const { stdout } = await npx('--help')
    expect(stdout).toMatch(/Usage: elenchus/)
  })

  test('npx elenchus verify judges a file, without Python', async () => {
    await cp(join(ROOT, 'examples/defects.jsonl'), join(project, 'theirs.jsonl'))
    const { stdout } = await npx('verify', '--traces', 'theirs.jsonl', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ traces: 13, valid_traces: 4 })
  })

  test('npx elenchus init, and run --dry-run of what it wrote', async () => {
    await npx('init', 'oak')
    const { stdout } = await npx('run', 'oak.yaml', '--dry-run', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ pipeline: 'oak' })
  })

  test('import from "elenchus" works', async () => {
    const script = "import { verifyProof } from 'elenchus'; console.log(typeof verifyProof)"
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project })
    expect(stdout).toBe('function\n')
  })

  test('workers are found in the package: nothing of this checkout is needed', async () => {
    const entries = await readdir(join(project, 'node_modules/elenchus/py-runtime'))
    expect(entries).toContain('elenchus_runtime')
  })
})
