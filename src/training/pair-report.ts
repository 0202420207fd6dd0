import * as z from 'zod'
import { stageDirectoryOf } from '../runs/beside.ts'
import { writeJsonAtomic } from '../runs/atomic.ts'

const countSchema = z.number().int().nonnegative()

/** How a file of pairs came about: beside it, so that a report can say why there are not more. */
export const pairReportSchema = z.looseObject({
  /** Problems or questions that were looked at. */
  problems: countSchema,
  pairs: countSchema,
  /** Candidate pairs that were left out, by cause. */
  skipped: z.record(z.string(), countSchema),
  /** Sentences with the flag to change, most frequent cause first. */
  reasons: z.array(z.string()),
})
export type StoredPairReport = z.infer<typeof pairReportSchema>

export function pairReportFile(pairsPath: string): string {
  return `${stageDirectoryOf(pairsPath)}.report.json`
}

export async function writePairReport(pairsPath: string, report: StoredPairReport): Promise<void> {
  await writeJsonAtomic(pairReportFile(pairsPath), report)
}
