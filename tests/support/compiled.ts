import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'

const ROOT = resolve(import.meta.dirname, '../..')

export interface Compiled extends AsyncDisposable {
  /** The JavaScript of a TypeScript file, given by its path in the repository. */
  script(path: string): string
}

/**
 * Compiles programs of the tests, with the sources that they import, so that processes of their own can
 * run them: always from the sources as they are, never from an older build.
 */
export async function compile(...files: readonly string[]): Promise<Compiled> {
  // Inside node_modules, so that the programs find the packages and no tool takes them for sources.
  const cache = join(ROOT, 'node_modules/.cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'elenchus-compiled-'))
  const config = join(folder, 'tsconfig.json')
  await writeFile(join(folder, 'package.json'), '{"type":"module","version":"0.0.0"}')
  // What ships beside the sources and is found from them.
  for (const name of ['configs', 'requirements.txt', 'py-runtime'])
    await symlink(join(ROOT, name), join(folder, name))
  await writeFile(
    config,
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: {
        noEmit: false,
        rootDir: ROOT,
        outDir: folder,
        typeRoots: [join(ROOT, 'node_modules/@types')],
      },
      include: [],
      files: files.map((file) => join(ROOT, file)),
    }),
  )
  await promisify(execFile)(join(ROOT, 'node_modules/.bin/tsc'), ['-p', config])
  return {
    script: (path) => join(folder, relative(ROOT, join(ROOT, path)).replace(/\.ts$/, '.js')),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
