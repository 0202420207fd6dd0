import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What tells how long something took, or what one attempt did of it; everything else must not change. */
const OF_AN_ATTEMPT =
  /^(generated|generated_tokens|timing|throughput|.*seconds|.*_seconds|tokens_per_second|mfu|.*_at|versions)$/

/** Who ran a stage and how often, rotated checkpoints, logs: these depend on where a run was interrupted. */
const NOT_A_PRODUCT = /(^|\/)(checkpoint-\d+|logs)\/|(^|\/)(manifest\.json|run\.json|run\.lock|timing\.json)$/

/** Every product of a run, by its path in the run directory: SHA-256 of its bytes, timings left out. */
export async function products(output: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(output, { recursive: true, withFileTypes: true })
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(output.length + 1))
    .filter((name) => !NOT_A_PRODUCT.test(name))
  const result = new Map<string, string>()
  for (const name of names.toSorted()) {
    const bytes = await readFile(join(output, name))
    result.set(
      name,
      createHash('sha256')
        .update(stable(name, bytes, output))
        .digest('hex'),
    )
  }
  return result
}

/** Records are compared byte by byte; metrics, stored reference scores and summaries without what tells the time. */
function stable(name: string, bytes: Buffer, output: string): Buffer | string {
  const text = (): string => bytes.toString().replaceAll(output, 'OUTPUT')
  if (/(^|\/)(metrics|reference_scores)\.jsonl$/.test(name)) {
    return text().replaceAll(/^.+$/gm, (line) => withoutTimes(line))
  }
  return name.endsWith('.json') ? withoutTimes(text()) : bytes
}

function withoutTimes(json: string): string {
  return JSON.stringify(JSON.parse(json), (key, value: unknown) =>
    OF_AN_ATTEMPT.test(key) ? undefined : value,
  )
}

/** One line per difference; none if both runs have the same products. */
export function differences(
  wanted: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): string[] {
  const names = [...new Set([...wanted.keys(), ...found.keys()])].sort()
  return names.flatMap((name) => {
    if (!found.has(name)) return `${name} is missing`
    if (!wanted.has(name)) return `${name} is left over`
    return wanted.get(name) === found.get(name) ? [] : `${name} differs`
  })
}
