import { readFile, rm } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { execa } from 'execa'
import * as z from 'zod'
import { checkPython } from '../bridge/launchers/python.ts'
import { interpreterOf, projectEnvironment, userEnvironment } from '../bridge/launchers/python-places.ts'
import { ElenchusError, throwIfCancelled } from '../errors.ts'
import { writeFileAtomic, writeJsonAtomic } from '../runs/atomic.ts'
import { fingerprintJson } from '../runs/fingerprint.ts'
import { packageFile } from '../runs/versions.ts'

export interface SetupOptions {
  /** `project`: in `.elenchus/venv` of a folder; `user`: in the user's data directory, for all projects. */
  readonly where: 'project' | 'user'
  /** The project's folder. */
  readonly project: string
  /** The interpreter that the environment is made from; absent: the first suitable one on the PATH. */
  readonly python?: string | undefined
  /**
   * `pinned`: the tested version from the package index; `keep`: the one that the interpreter already has, such as a
   * CUDA build; otherwise a requirement for pip, such as `torch==2.13.0+cu130`.
   */
  readonly torch: string
  /** Further arguments of `pip install`, such as `--extra-index-url URL`. */
  readonly pipArguments: readonly string[]
  /** Makes the environment anew, even if it is up to date. */
  readonly force?: boolean
  /** What is installed; the package's own requirements.txt if absent. */
  readonly requirementsPath?: string
  readonly onProgress?: (message: string) => void
  readonly signal?: AbortSignal | undefined
}

export interface SetupResult {
  readonly environment: string
  readonly python: string
  /** False if it was up to date. */
  readonly changed: boolean
}

const STAMP = 'elenchus-setup.json'
const stampSchema = z.object({ made_from: z.string() })
const OLDEST = '3.11'
const CANDIDATES = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.14', 'python']

/**
 * Makes the Python environment of the workers: a virtual environment with the tested versions. Idempotent: one that was
 * made from the same versions is left alone, one that was not, or that an interrupted set-up left behind, is completed.
 *
 * @throws ElenchusError `environment`, naming what failed and what to do.
 */
export async function setUpPython(options: SetupOptions): Promise<SetupResult> {
  const environment = environmentOf(options)
  const python = interpreterOf(environment)
  const requirements = await requirementsOf(options)
  const madeFrom = fingerprintJson({ requirements, torch: options.torch, pip: options.pipArguments })
  if (options.force !== true && existsSync(python) && (await stampOf(environment)) === madeFrom) {
    await checkPython(python)
    return { environment, python, changed: false }
  }
  const base = options.python ?? (await findPython())
  // Nothing of an environment is changed while its stamp says that it is complete.
  await rm(join(environment, STAMP), { force: true })
  options.onProgress?.(`making ${environment} from ${base}`)
  if (options.force === true) await rm(environment, { recursive: true, force: true })
  await makeEnvironment(base, environment, options)
  if (requirements.length > 0) {
    options.onProgress?.(`installing ${requirements.join(', ')} (some minutes the first time)`)
    await install(python, requirements, options)
  }
  await checkPython(python)
  await writeJsonAtomic(join(environment, STAMP), { made_from: madeFrom, requirements, made_with: base })
  return { environment, python, changed: true }
}

function environmentOf({ where, project }: SetupOptions): string {
  const environment = where === 'user' ? userEnvironment() : projectEnvironment(resolve(project))
  if (environment.split('/').includes('node_modules')) {
    throw new ElenchusError('usage', `${environment} lies inside node_modules, which npm empties at will.`, {
      hint: 'Run `elenchus setup` in the folder of your project, or with --user.',
    })
  }
  return environment
}

/** The lines of requirements.txt, with the chosen torch in place of the pinned one. */
async function requirementsOf({ torch, requirementsPath }: SetupOptions): Promise<string[]> {
  const text = await readFile(requirementsPath ?? packageFile('requirements.txt'), 'utf8')
  const lines = text.split('\n').flatMap((line) => {
    const requirement = line.replace(/#.*/, '').trim()
    return requirement === '' ? [] : [requirement]
  })
  if (torch === 'pinned') return lines
  return lines.flatMap((line) => (/^torch\b/.test(line) ? (torch === 'keep' ? [] : [torch]) : [line]))
}

async function stampOf(environment: string): Promise<string | undefined> {
  try {
    const stamp: unknown = JSON.parse(await readFile(join(environment, STAMP), 'utf8'))
    return stampSchema.safeParse(stamp).data?.made_from
  } catch {
    return undefined
  }
}

async function findPython(): Promise<string> {
  for (const candidate of CANDIDATES) {
    const probe = await execa(
      candidate,
      ['-c', `import sys; sys.exit(sys.version_info < (${OLDEST.replace('.', ',')}))`],
      {
        reject: false,
        stdin: 'ignore',
      },
    )
    if (!probe.failed) return candidate
  }
  throw new ElenchusError('environment', `No Python ${OLDEST} or newer was found.`, {
    hint: 'Install one, or name one with --python.',
  })
}

async function makeEnvironment(base: string, environment: string, { where, torch, signal }: SetupOptions) {
  const made = await execa(base, ['-m', 'venv', environment], {
    reject: false,
    stdin: 'ignore',
    ...(signal !== undefined && { cancelSignal: signal }),
  })
  if (made.failed) {
    throw new ElenchusError('environment', `${base} cannot make a virtual environment:\n${tail(made)}`, {
      hint: 'Install its venv module (Debian, Ubuntu: apt-get install python3-venv), or name another one with --python.',
    })
  }
  if (torch === 'keep') await inheritPackages(base, interpreterOf(environment))
  // Nothing in the folder of a project is to be committed by accident.
  if (where === 'project') await writeFileAtomic(join(dirname(environment), '.gitignore'), '*\n')
}

const SITE_PACKAGES = "import json, sysconfig; print(json.dumps(sysconfig.get_paths()['purelib']))"

/**
 * Lets the new environment see the packages of the interpreter that it was made from, behind its own. Not
 * `--system-site-packages`: if that interpreter is of an environment itself, its packages would be left out.
 */
async function inheritPackages(base: string, python: string): Promise<void> {
  const folders: string[] = []
  for (const interpreter of [base, python]) {
    const { stdout } = await execa(interpreter, ['-c', SITE_PACKAGES], { stdin: 'ignore' })
    folders.push(z.string().parse(JSON.parse(stdout)))
  }
  const [inherited = '', own = ''] = folders
  await writeFileAtomic(join(own, 'elenchus-inherited.pth'), `${inherited}\n`)
}

async function install(python: string, requirements: readonly string[], options: SetupOptions) {
  const installed = await execa(
    python,
    ['-m', 'pip', 'install', '--disable-pip-version-check', ...options.pipArguments, ...requirements],
    {
      reject: false,
      stdin: 'ignore',
      ...(options.signal !== undefined && { cancelSignal: options.signal }),
    },
  )
  if (!installed.failed) return
  throwIfCancelled(options.signal, 'setup')
  throw new ElenchusError('environment', `pip could not install everything:\n${tail(installed)}`, {
    hint: 'Check the network and the package index (PIP_INDEX_URL, or --pip-args), then run `elenchus setup` again.',
  })
}

function tail({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }): string {
  return `${stdout}\n${stderr}`.trim().split('\n').slice(-15).join('\n')
}
