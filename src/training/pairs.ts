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
  const { pairsPath } = input
  const built = await buildPairs(input)
  await mkdir(dirname(pairsPath), { recursive: true })
  await writePairReport(pairsPath, { ...built.report, reasons: built.reasons })
  refuseNoPairs(input.tracesPath, built)
  const { pairs, report } = built
  await writeJsonl(pairsPath, pairs)
  return { path: pairsPath, pairs, report }
}

/** The pairs that {@link preparePairs} would write. @throws ElenchusError as it does. */
export async function previewPairs(input: {
  readonly tracesPath: string
  readonly config: PreferencesConfig
}): Promise<readonly PreferencePair[]> {
  const built = await buildPairs(input)
  refuseNoPairs(input.tracesPath, built)
  return built.pairs
}

interface BuiltPairs {
  readonly pairs: readonly PreferencePair[]
  readonly report: PairReport
  readonly reasons: string[]
}

async function buildPairs(input: {
  readonly tracesPath: string
  readonly config: PreferencesConfig
}): Promise<BuiltPairs> {
  const traces: TraceRecord[] = []
  for await (const trace of readJsonl(input.tracesPath, traceRecordSchema)) {
    // Problems that cannot be judged are set apart: no verdict on them is evidence for anything.
    if (trace.status === 'judged') traces.push(trace)
  }
  const { pairs, report } = buildTracePairs(traces, input.config)
  return { pairs, report, reasons: explainPairs(report, input.config) }
}

function refuseNoPairs(tracesPath: string, { pairs, report, reasons }: BuiltPairs): void {
  if (pairs.length > 0) return
  const causes = reasons.map((cause) => `  - ${cause}`)
  throw new ElenchusError(
    'no_pairs',
    `${tracesPath} gives no preference pairs (${report.traces} traces of ${report.problems} problems):\n${causes.join('\n')}`,
    { details: { report } },
  )
}
