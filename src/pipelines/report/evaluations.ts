import { solverBaseline } from '../../evaluation/baselines.ts'
import { compare, type Outcome } from '../../evaluation/metrics-compare.ts'
import { computeMetrics } from '../../evaluation/metrics.ts'
import { coherenceOf } from '../../evaluation/questions-coherence.ts'
import { questionMetrics, questionRowSchema, type QuestionRow } from '../../evaluation/questions-metrics.ts'
import { coherenceFile } from '../../evaluation/questions-stage.ts'
import type { Problem } from '../../problems/problem.ts'
import { problemSchema } from '../../problems/problem.ts'
import { scoredGroupSchema, type ScoredGroup } from '../../regime-w/group.ts'
import { distributionOf } from '../../report/distribution.ts'
import type { Evaluation, PairedComparison } from '../../report/report.ts'
import { stageDirectoryOf } from '../../runs/beside.ts'
import { type TraceRecord, traceRecordSchema } from '../../traces/record.ts'
import { policyName, type PolicyName } from './names.ts'
import { readWhole } from './records.ts'
import type { FoundFile, Scan } from './scan.ts'

/** An evaluation with what a paired test needs. */
export interface ReadEvaluation {
  readonly evaluation: Evaluation
  readonly source: FoundFile
  /** Of the first sample of each problem. */
  readonly correct: readonly Outcome[]
  /** Problems labelled TRUE or FALSE: valid by proof. Empty for questions. */
  readonly proved: readonly Outcome[]
}

/**
 * Every evaluation of the run. All figures are computed from the records: those of an unfinished one are
 * of its records so far.
 */
export async function readEvaluations(scan: Scan): Promise<ReadEvaluation[]> {
  const named = scan.files
    .filter(({ kind }) => kind === 'proofs' || kind === 'questions')
    .map((source) => ({ source, name: policyName(source.file) }))
    .sort((a, b) => compareNames(a.name, b.name))
  const read: ReadEvaluation[] = []
  for (const { source, name } of named) {
    read.push(
      source.kind === 'proofs' ? await readProofs(source, name) : await readQuestions(scan, source, name),
    )
  }
  return read
}

function compareNames(a: PolicyName, b: PolicyName): number {
  const rank = ({ group }: PolicyName): string =>
    group === 'policies' ? '0' : group === 'controls' ? '1' : group
  if (a.group !== b.group) return rank(a) < rank(b) ? -1 : 1
  return a.order - b.order || (a.name < b.name ? -1 : 1)
}

async function readProofs(source: FoundFile, { name, group }: PolicyName): Promise<ReadEvaluation> {
  const records: TraceRecord[] = []
  const problems: Problem[] = []
  const correct: Outcome[] = []
  const proved: Outcome[] = []
  for await (const record of readWhole(source.path, traceRecordSchema)) {
    const { problem_id: id } = record
    // The ids are the bulk of a record, and nothing here needs them.
    records.push({ ...record, completion_ids: undefined, prompt: '', completion: '' })
    if (record.sample_idx > 0) continue
    problems.push(problemSchema.parse({ ...record, gold: undefined }))
    correct.push({ id, success: record.correct })
    // UNKNOWN is certified, not proved.
    if (record.label === 'UNKNOWN') continue
    proved.push({ id, success: record.trace_valid && record.warrant === 'proof' })
  }
  const evaluation: Evaluation = {
    kind: 'proofs',
    name,
    group,
    file: source.file,
    complete: isComplete(source),
    tokens: distributionOf(records.map((record) => record.num_tokens))!,
    metrics: computeMetrics(records, { seed: seedOf(source) }),
    solver: problems.some(({ entailment }) => entailment !== undefined)
      ? solverBaseline(problems).accuracy
      : null,
  }
  return { evaluation, source, correct, proved }
}

async function readQuestions(
  scan: Scan,
  source: FoundFile,
  { name, group }: PolicyName,
): Promise<ReadEvaluation> {
  const rows: QuestionRow[] = []
  for await (const row of readWhole(source.path, questionRowSchema)) rows.push(row)
  const beside = scan.files.find(({ path }) => path === coherenceFile(stageDirectoryOf(source.path)))
  const evaluation: Evaluation = {
    kind: 'questions',
    name,
    group,
    file: source.file,
    complete: isComplete(source),
    tokens: distributionOf(rows.map((row) => row.num_tokens))!,
    metrics: questionMetrics(rows),
    coherence: beside === undefined ? null : coherenceOf(await readGroups(beside), { seed: seedOf(source) }),
  }
  const correct = rows.map((row) => ({ id: row.question_id, success: row.correct }))
  return { evaluation, source, correct, proved: [] }
}

async function readGroups({ path }: FoundFile): Promise<ScoredGroup[]> {
  const groups: ScoredGroup[] = []
  for await (const group of readWhole(path, scoredGroupSchema)) groups.push(group)
  return groups
}

/** A file without a manifest (of another tool, or copied alone) is taken for whole. */
export function isComplete({ stage }: FoundFile): boolean {
  return stage === null || stage.state === 'finished'
}

function seedOf({ stage }: FoundFile): number {
  const config: unknown = stage?.manifest.config
  const seed = typeof config === 'object' && config !== null && 'seed' in config ? config.seed : undefined
  return typeof seed === 'number' ? seed : 0
}

/**
 * The paired tests that the table calls for: in each group every evaluation against the one before it, the
 * first against the last, and each control against the last policy.
 */
export function compareAll(read: readonly ReadEvaluation[]): PairedComparison[] {
  const of = (group: string): ReadEvaluation[] => read.filter(({ evaluation }) => evaluation.group === group)
  const comparisons: PairedComparison[] = []
  for (const group of new Set(read.map(({ evaluation }) => evaluation.group))) {
    if (group === 'controls') continue
    const members = of(group)
    for (const [index, member] of members.entries()) {
      const before = members[index - 1]
      if (before !== undefined) comparisons.push(...comparePair(before, member))
    }
    const [first, last] = [members[0], members.at(-1)]
    if (first !== undefined && last !== undefined && members.length > 2) {
      comparisons.push(...comparePair(first, last))
    }
  }
  const last = of('policies').at(-1)
  for (const control of of('controls')) {
    if (last !== undefined) comparisons.push(...comparePair(control, last))
  }
  return comparisons
}

function comparePair(a: ReadEvaluation, b: ReadEvaluation): PairedComparison[] {
  const names = { a: label(a), b: label(b) }
  return (['accuracy', 'trace validity'] as const).flatMap((of) => {
    const outcomes = (each: ReadEvaluation): readonly Outcome[] =>
      of === 'accuracy' ? each.correct : each.proved
    const known = new Set(outcomes(a).map(({ id }) => id))
    // An evaluation that has only begun may share nothing yet.
    if (!outcomes(b).some(({ id }) => known.has(id))) return []
    return [{ ...names, of, comparison: compare(outcomes(a), outcomes(b)) }]
  })
}

function label({ evaluation }: ReadEvaluation): string {
  return evaluation.group.startsWith('on ') ? `${evaluation.name} ${evaluation.group}` : evaluation.name
}
