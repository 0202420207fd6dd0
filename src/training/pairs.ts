import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { PreferencesConfig } from '../config/training.ts'
import { ElenchusError } from '../errors.ts'
import type { PreferencePair } from '../preferences/pair.ts'
import { buildTracePairs, explainPairs, type PairReport } from '../preferences/traces.ts'
import { readJsonl, writeJsonl } from '../runs/jsonl.ts'
import { traceRecordSchema, type TraceRecord } from '../traces/record.ts'
import { writePairReport } from './pair-report.ts'

export interface PreparedPairs {
  readonly path: string
  readonly pairs: readonly PreferencePair[]
  readonly report: PairReport
}

/**
 * Builds the preference pairs of a trace file and writes them, with the report of how they came about
 * beside them, also where there are none. Deterministic, so a repeated call writes the same bytes.
 *
 * @throws ElenchusError `no_pairs` that says why there are none and which flag changes it.
 */
export async function preparePairs(input: {
  readonly tracesPath: string
  readonly pairsPath: string
  readonly config: PreferencesConfig
}): Promise<PreparedPairs> {
  const traces: TraceRecord[] = []
  for await (const trace of readJsonl(input.tracesPath, traceRecordSchema)) {
    // Problems that cannot be judged are set apart: no verdict on them is evidence for anything.
    if (trace.status === 'judged') traces.push(trace)
  }
  const { pairs, report } = buildTracePairs(traces, input.config)
  const reasons = explainPairs(report, input.config)
  await mkdir(dirname(input.pairsPath), { recursive: true })
  await writePairReport(input.pairsPath, { ...report, reasons })
  if (pairs.length === 0) {
    const causes = reasons.map((cause) => `  - ${cause}`)
    throw new ElenchusError(
      'no_pairs',
      `${input.tracesPath} gives no preference pairs (${report.traces} traces of ${report.problems} problems):\n${causes.join('\n')}`,
      { details: { report } },
    )
  }
  await writeJsonl(input.pairsPath, pairs)
  return { path: input.pairsPath, pairs, report }
}
