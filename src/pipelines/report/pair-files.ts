import { existsSync } from 'node:fs'
import { preferencePairSchema } from '../../preferences/pair.ts'
import { distributionOf } from '../../report/distribution.ts'
import type { PairFile } from '../../report/report.ts'
import { readJson } from '../../runs/manifest.ts'
import { pairReportFile, pairReportSchema } from '../../training/pair-report.ts'
import { fileName } from './names.ts'
import { readWhole } from './records.ts'
import type { FoundFile } from './scan.ts'

export async function readPairs(source: FoundFile): Promise<PairFile> {
  const margins: number[] = []
  const chosen: number[] = []
  const rejected: number[] = []
  const byType: Record<string, number> = {}
  const problems = new Set<string>()
  const records = existsSync(source.path) ? readWhole(source.path, preferencePairSchema) : []
  for await (const pair of records) {
    margins.push(pair.margin)
    if (pair.chosen_ids !== undefined) chosen.push(pair.chosen_ids.length)
    if (pair.rejected_ids !== undefined) rejected.push(pair.rejected_ids.length)
    byType[pair.pair_type] = (byType[pair.pair_type] ?? 0) + 1
    problems.add(pair.problem_id ?? pair.question_id ?? '')
  }
  return {
    name: fileName(source.file),
    file: source.file,
    pairs: margins.length,
    by_type: byType,
    problems: problems.size,
    margins: distributionOf(margins),
    chosen_tokens: distributionOf(chosen),
    rejected_tokens: distributionOf(rejected),
    building: await readBuilding(source.path),
  }
}

async function readBuilding(path: string): Promise<PairFile['building']> {
  const value = await readJson(pairReportFile(path))
  if (value === undefined) return null
  const { skipped, problems, pairs, reasons } = pairReportSchema.parse(value)
  const left = Object.values(skipped).reduce((sum, count) => sum + count, 0)
  return { candidates: pairs + left, problems, skipped, reasons }
}
