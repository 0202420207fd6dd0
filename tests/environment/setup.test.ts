import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  interpreterOf,
  nearestProjectEnvironment,
  projectEnvironment,
  userEnvironment,
} from '../../src/bridge/launchers/python-places.ts'
import { setUpPython, type SetupOptions } from '../../src/environment/setup.ts'
import { ElenchusError } from '../../src/errors.ts'
import { workerPython } from '../bridge/worker-python.ts'

let folder: string
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'elenchus-setup-')))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function failureOf(promise: Promise<unknown>): Promise<ElenchusError> {
  const error: unknown = await promise.catch((reason: unknown) => reason)
  if (!ElenchusError.is(error)) throw new Error(`not one of our errors: ${String(error)}`)
  return error
}

/** An interpreter whose `-m venv` makes an environment with itself in it, and whose pip notes what it is asked for. */
async function fakePython(
  name: string,
  pip = 'exit 0',
): Promise<{ python: string; readonly calls: () => Promise<string> }> {
  const home = join(folder, name)
  await mkdir(home)
  const python = join(home, 'python')
  const log = join(home, 'calls')
  await writeFile(
    python,
    `#!/bin/sh
echo "$@" >>${log}
case "$*" in
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
  "-m pip "*) ${pip} ;;
  *) echo '{"version": [3, 12], "missing": []}' ;;
esac
`,
  )
  await chmod(python, 0o755)
  return { python, calls: () => readFile(log, 'utf8') }
}

describe('setting up', () => {
  const options = (given: Partial<SetupOptions>): SetupOptions => ({
    where: 'project',
    project: folder,
    torch: 'pinned',
    pipArguments: [],
    ...given,
  })

  test('installs the pinned versions, once', async () => {
    const { python, calls } = await fakePython('once')
    const project = join(folder, 'once/project')
    const first = await setUpPython(options({ python, project }))
    expect(first).toMatchObject({ changed: true, python: interpreterOf(projectEnvironment(project)) })
    expect(await calls()).toMatch(/-m pip install .*torch==[\d.]+ transformers==/)
    const before = await calls()
    expect(await setUpPython(options({ python, project }))).toMatchObject({ changed: false })
    expect((await calls()).slice(before.length)).not.toContain('pip')
    expect(await readFile(join(project, '.elenchus/.gitignore'), 'utf8')).toBe('*\n')
  })

  test('another choice of torch is another environment: it is completed', async () => {
    const { python, calls } = await fakePython('cuda')
    const project = join(folder, 'cuda/project')
    await setUpPython(options({ python, project }))
    const cuda = { torch: 'torch==2.13.0+cu130', pipArguments: ['--extra-index-url', 'URL'] }
    expect(await setUpPython(options({ python, project, ...cuda }))).toMatchObject({ changed: true })
    expect(await calls()).toMatch(/--extra-index-url URL torch==2\.13\.0\+cu130 transformers/)
  })

  test('a failed installation says what pip said, and is taken up again', async () => {
    const { python, calls } = await fakePython('broken', 'echo no such package >&2; exit 1')
    const project = join(folder, 'broken/project')
    const error = await failureOf(setUpPython(options({ python, project })))
    expect(error).toMatchObject({ code: 'environment', exitCode: 3 })
    expect(error.message).toContain('no such package')
    const before = await calls()
    await failureOf(setUpPython(options({ python, project })))
    expect((await calls()).slice(before.length)).toContain('pip install')
  })

  test('never inside node_modules', async () => {
    const error = await failureOf(setUpPython(options({ project: join(folder, 'node_modules/elenchus') })))
    expect(error.code).toBe('usage')
  })

  test.skipIf(workerPython === null)(
    'keeps the torch of the interpreter, also if that is an environment itself',
    async () => {
      const requirementsPath = join(folder, 'nothing.txt')
      await writeFile(requirementsPath, '# nothing\ntorch==2.13.0\n')
      const project = join(folder, 'real')
      const python = workerPython ?? ''
      const made = await setUpPython(options({ python, project, torch: 'keep', requirementsPath }))
      const script = 'import importlib.util as u, sys; assert u.find_spec("torch"); print(sys.prefix)'
      const prefix = execFileSync(made.python, ['-c', script], { encoding: 'utf8' }).trim()
      expect(await realpath(prefix)).toBe(projectEnvironment(project))
    },
  )
})

describe('where environments are looked for', () => {
  test('in the project, from any folder of it', async () => {
    const environment = projectEnvironment(join(folder, 'found'))
    await mkdir(join(environment, 'bin'), { recursive: true })
    await writeFile(interpreterOf(environment), '')
    const deep = join(folder, 'found/a/b')
    await mkdir(deep, { recursive: true })
    expect(nearestProjectEnvironment(deep)).toBe(environment)
    expect(nearestProjectEnvironment(tmpdir())).toBeUndefined()
  })

  test("in the user's data directory", () => {
    expect(userEnvironment({ XDG_DATA_HOME: '/data' }, '/home/u')).toBe('/data/elenchus/venv')
    expect(userEnvironment({}, '/home/u')).toMatch(/^\/home\/u\/.*elenchus\/venv$/)
  })
})
