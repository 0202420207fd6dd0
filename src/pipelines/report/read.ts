import { basename, join, resolve } from 'node:path'
import { throughputIn } from '../../backends/throughput.ts'
import { throwIfCancelled } from '../../errors.ts'
import type { Report, RunFacts, StageFacts, WorkRate } from '../../report/report.ts'
import { readJson } from '../../runs/manifest.ts'
import { readRunRecord, type RunRecord } from '../run-record.ts'
import { chooseRecords } from './choose.ts'
import { readCurve } from './curves.ts'
import { compareAll, readEvaluations } from './evaluations.ts'
import { whatIsMissing } from './missing.ts'
import { readPairs } from './pair-files.ts'
import { readSamples } from './samples.ts'
import { type FoundStage, type Scan, scanRun } from './scan.ts'

export interface ReportOptions {
  /** Records in the trace viewer, about. @default 300 */
  readonly maxRecords?: number
  /** Gives up between two files. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Everything that a report shows of a run's directory, finished or not. Reads only; may run while somebody
 * else writes there. Figures are computed from the records, not taken from summaries.
 *
 * @throws ElenchusError `file_missing` if there is no run; `cancelled`; `record_invalid` for a damaged file; `io_failed`.
 */
export async function readReport(
  dir: string,
  { maxRecords = 300, signal }: ReportOptions = {},
): Promise<Report> {
  throwIfCancelled(signal, 'The report')
  const root = resolve(dir)
  const [scan, record] = [await scanRun(root), await readRunRecord(root)]
  const evaluations = await readEvaluations(scan)
  const curves = []
  const samples = []
  const pairs = []
  for (const source of scan.files) {
    throwIfCancelled(signal, 'The report')
    if (source.kind === 'metrics') curves.push(await readCurve(source))
    else if (source.kind === 'traces' || source.kind === 'rollouts') samples.push(await readSamples(source))
    else if (source.kind === 'pairs') pairs.push(await readPairs(source))
  }
  throwIfCancelled(signal, 'The report')
  const totals = new Map<string, number>([
    ...evaluations.map(({ evaluation }) => [evaluation.file, evaluation.tokens.n] as const),
    ...samples.map(({ sample }) => [sample.file, sample.samples] as const),
    ...pairs.map((pair) => [pair.file, pair.pairs] as const),
  ])
  const found = {
    run: runFacts(root, scan, record),
    stages: await Promise.all(scan.stages.map((stage) => stageFacts(root, stage))),
    evaluations: evaluations.map(({ evaluation }) => evaluation),
    comparisons: compareAll(evaluations),
    curves: inOrderOfStages(curves, scan),
    samples: samples.map(({ sample }) => sample),
    pairs,
    calibrations: samples.flatMap(({ calibration }) => calibration ?? []),
  }
  return {
    format: 1,
    made_at: new Date().toISOString(),
    ...found,
    viewer: await chooseRecords(scan, totals, maxRecords),
    missing: whatIsMissing(found),
  }
}

/** The order of training, rather than of the alphabet. */
function inOrderOfStages<T extends { readonly file: string }>(items: readonly T[], scan: Scan): T[] {
  const order = new Map(
    scan.files.map(({ file, stage }) => [file, stage === null ? -1 : scan.stages.indexOf(stage)]),
  )
  return items.toSorted((a, b) => (order.get(a.file) ?? -1) - (order.get(b.file) ?? -1))
}

function runFacts(root: string, scan: Scan, record: RunRecord | undefined): RunFacts {
  const attempts = scan.stages.flatMap(({ manifest }) => manifest.attempts)
  const started = attempts.map(({ started_at }) => started_at).sort()
  const ended = attempts.flatMap(({ ended_at }) => ended_at ?? []).sort()
  const single = scan.stages.length === 1 ? scan.stages[0] : undefined
  return {
    name: basename(root),
    pipeline: record?.pipeline ?? 'stages',
    state: stateOf(scan.stages, record),
    started_at: record?.started_at ?? started[0] ?? null,
    ended_at: record?.finished_at ?? ended.at(-1) ?? null,
    versions: record?.versions ?? attempts.at(-1)?.versions ?? {},
    config: record?.config ?? single?.manifest.config ?? null,
  }
}

function stateOf(stages: readonly FoundStage[], record: RunRecord | undefined): RunFacts['state'] {
  const states = new Set(stages.map(({ state }) => state))
  if (states.has('running')) return 'running'
  if (record?.finished_at !== undefined) return 'finished'
  if (states.has('unknown')) return 'unknown'
  // Between two stages of a pipeline nothing is locked; only its record tells that it goes on.
  return states.has('interrupted') || record !== undefined ? 'interrupted' : 'finished'
}

async function stageFacts(root: string, { dir, manifest, state }: FoundStage): Promise<StageFacts> {
  const { attempts } = manifest
  const seconds = attempts.flatMap(({ started_at, ended_at }) =>
    ended_at === undefined ? [] : (Date.parse(ended_at) - Date.parse(started_at)) / 1000,
  )
  return {
    name: manifest.stage,
    dir,
    state,
    attempts: attempts.length,
    started_at: attempts[0]?.started_at ?? null,
    seconds: seconds.length === 0 ? null : seconds.reduce((sum, each) => sum + each, 0),
    rates: state === 'finished' ? ratesOf(await readJson(join(root, dir, 'summary.json'))) : [],
  }
}

function ratesOf(summary: unknown): WorkRate[] {
  const throughput = throughputIn(summary)
  return (['generated', 'trained', 'scored'] as const).flatMap((work) => {
    const rate = throughput?.[work]?.tokens_per_second ?? null
    return rate === null ? [] : [{ work, tokens_per_second: rate, mfu: throughput?.[work]?.mfu ?? null }]
  })
}
