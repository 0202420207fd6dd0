import { readFileSync } from 'node:fs'
import * as z from 'zod'

let cached: Readonly<Record<string, string>> | undefined

/** Versions of what runs in this process, for manifests. */
export function versions(): Record<string, string> {
  // The same distance from src/runs and from dist/runs.
  cached ??= {
    elenchus: z
      .object({ version: z.string() })
      .parse(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))).version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  }
  return { ...cached }
}
