import * as z from 'zod'
import type { PolicyRef, Trajectory } from '../backends/backend.ts'
import type { StageContext } from '../backends/context.ts'
import { scoreAll } from '../backends/score-all.ts'
import { fingerprintJson } from '../runs/fingerprint.ts'
import { JsonlWriter, readJsonl } from '../runs/jsonl.ts'

/**
 * Trajectories per line: enough for every device of a large machine at once, few enough that a kill costs seconds.
 * Chunks are fixed, because what stands beside a row changes its scores in rounding.
 */
const CHUNK = 2048

const lineSchema = z.strictObject({
  /** Fingerprint of policy and trajectories. */
  of: z.string(),
  /** Log-probabilities, one per trajectory. */
  sums: z.array(z.number()),
  seconds: z.number().nonnegative(),
})

export interface ReferenceScores {
  /** One log-probability per trajectory. */
  readonly sums: Float64Array
  /** What they took, earlier attempts included. */
  readonly seconds: number
}

/**
 * Log-probabilities of the trajectories under the frozen start, each chunk stored in the file `path` as soon as it is
 * there: a run that is resumed computes what is missing.
 */
export async function referenceScores(
  context: StageContext,
  from: {
    readonly stage: string
    readonly path: string
    /** Use what an earlier attempt has stored. */
    readonly resume: boolean
    readonly trajectories: readonly Trajectory[]
    readonly policy: PolicyRef
  },
): Promise<ReferenceScores> {
  const { stage, path, resume, trajectories, policy } = from
  const chunks = Array.from({ length: Math.ceil(trajectories.length / CHUNK) }, (_, index) => {
    const chunk = trajectories.slice(index * CHUNK, (index + 1) * CHUNK)
    const of = fingerprintJson([policy.fingerprint, chunk.map(({ prompt, ids }) => [prompt, ...ids])])
    return { chunk, of }
  })
  {
    let next = 0
    const keepWhile = (line: unknown): boolean => {
      const stored = lineSchema.safeParse(line).data
      const expected = chunks[next++]
      return (
        stored !== undefined && stored.of === expected?.of && stored.sums.length === expected.chunk.length
      )
    }
    await using writer = await JsonlWriter.open(path, { resume, keepWhile })
    for (const { chunk, of } of chunks.slice(writer.existing)) {
      const began = performance.now()
      const sums = (await scoreAll(context, stage, chunk, { policy })).map(({ sum }) => sum)
      await writer.write({ of, sums, seconds: (performance.now() - began) / 1000 })
      await writer.flush()
    }
  }
  const all: number[] = []
  let total = 0
  for await (const { sums, seconds } of readJsonl(path, lineSchema)) {
    all.push(...sums)
    total += seconds
  }
  return { sums: Float64Array.from(all), seconds: total }
}
