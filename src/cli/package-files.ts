import { fileURLToPath } from 'node:url'

/** A file that ships with the package; the same distance from src/cli and from dist/cli. */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url))
}
