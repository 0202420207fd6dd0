import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'

let version: string | undefined

/** Path of a file that is shipped with the package, such as `configs/oak.yaml`. */
export function packageFile(path: string): string {
  // The same distance from src/runs and from dist/runs.
  return fileURLToPath(new URL(`../../${path}`, import.meta.url))
}

/** This package's own version. */
export function packageVersion(): string {
  const schema = z.object({ version: z.string() })
  version ??= schema.parse(JSON.parse(readFileSync(packageFile('package.json'), 'utf8'))).version
  return version
}

/** Versions of what runs in this process, for manifests. */
export function versions(): Record<string, string> {
  return {
    elenchus: packageVersion(),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  }
}
