import { existsSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

type Environment = Readonly<Record<string, string | undefined>>

/** Folder of a project that holds what `elenchus setup` makes for it. */
const PROJECT_FOLDER = '.elenchus'

/** The interpreter of a virtual environment. */
export function interpreterOf(environment: string): string {
  return join(environment, 'bin/python')
}

/** Where `elenchus setup` makes the environment of a project. */
export function projectEnvironment(project: string): string {
  return join(project, PROJECT_FOLDER, 'venv')
}

/** Where it makes the one that all projects of a user share: the user's data directory. */
export function userEnvironment(env: Environment = process.env, home: string = homedir()): string {
  const data =
    env['XDG_DATA_HOME'] ||
    (process.platform === 'darwin' ? join(home, 'Library/Application Support') : join(home, '.local/share'))
  return join(data, 'elenchus/venv')
}

/** The environment of the project that a folder belongs to: of the folder itself, or of the nearest one above. */
export function nearestProjectEnvironment(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const environment = projectEnvironment(at)
    // Not one that somebody else has put there (`/tmp` is above many folders): its programs would run as this user.
    if (existsSync(interpreterOf(environment)) && isOwn(environment)) return environment
    if (dirname(at) === at) return undefined
  }
}

function isOwn(path: string): boolean {
  const own = process.getuid?.()
  const { uid } = statSync(path)
  return own === undefined || uid === own || uid === 0
}
