import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import { ElenchusError } from '../../errors.ts'
import { interpreterOf, nearestProjectEnvironment, userEnvironment } from './python-places.ts'

/** Folder of this package, from `src/bridge/launchers` as from `dist/bridge/launchers`. */
const PACKAGE_ROOT = resolve(import.meta.dirname, '../../..')
export const RUNTIME_FOLDER = join(PACKAGE_ROOT, 'py-runtime')

const OLDEST = [3, 11] as const
const MODULES = ['zmq', 'msgspec', 'torch', 'transformers', 'peft', 'safetensors', 'elenchus_runtime']
const PROBE_TIMEOUT_MS = 60_000

/** Finds modules without importing them: importing torch takes seconds. */
const probeFor = (modules: readonly string[]): string => `
import importlib.util, json, sys
missing = [name for name in ${JSON.stringify(modules)} if importlib.util.find_spec(name) is None]
print(json.dumps({'version': list(sys.version_info[:2]), 'missing': missing}))
`

/**
 * The interpreter for workers: the option, ELENCHUS_PYTHON, the environment that `elenchus setup` made for this
 * project, the package's own (in a checkout), the user's, `python3`.
 */
export function choosePython(option: string | undefined): string {
  const project = nearestProjectEnvironment(process.cwd())
  const candidates = [
    option,
    process.env['ELENCHUS_PYTHON'],
    project && interpreterOf(project),
    ...[interpreterOf(join(PACKAGE_ROOT, '.venv')), interpreterOf(userEnvironment())].filter((path) =>
      existsSync(path),
    ),
  ]
  return candidates.find((candidate) => candidate !== undefined && candidate !== '') ?? 'python3'
}

/**
 * Checks that an interpreter can run the worker, and has what a launcher needs `besides`.
 * @throws ElenchusError `environment` naming the interpreter, what it lacks, and what to run.
 */
export async function checkPython(python: string, besides: readonly string[] = []): Promise<void> {
  const probe = await execa(python, ['-c', probeFor([...MODULES, ...besides])], {
    reject: false,
    stdin: 'ignore',
    timeout: PROBE_TIMEOUT_MS,
    env: { PYTHONPATH: [RUNTIME_FOLDER, process.env['PYTHONPATH']].filter(Boolean).join(':') },
  })
  const unusable = (why: string): ElenchusError =>
    new ElenchusError('environment', `The Python interpreter "${python}" cannot run workers: ${why}`, {
      hint: 'Run `elenchus setup` (in a checkout ./scripts/setup.sh), or name another interpreter with ELENCHUS_PYTHON.',
      details: { python },
    })
  if (probe.failed)
    throw unusable(probe.stderr === '' ? (probe.originalMessage ?? 'it failed.') : probe.stderr)
  const [, major, minor, missing] =
    /^\{"version": \[(\d+), (\d+)\], "missing": \[(.*)\]\}$/.exec(probe.stdout.trim()) ?? []
  if (missing === undefined) throw unusable(`its answer makes no sense: ${probe.stdout}`)
  const version = [Number(major), Number(minor)] as const
  if (version[0] < OLDEST[0] || (version[0] === OLDEST[0] && version[1] < OLDEST[1])) {
    throw unusable(`it is version ${version.join('.')}; ${OLDEST.join('.')} or later is needed.`)
  }
  if (missing !== '') throw unusable(`it has no ${missing.replaceAll('"', '')}.`)
}
