import { questionRowSchema } from '../../evaluation/questions-metrics.ts'
import { type PreferencePair, preferencePairSchema } from '../../preferences/pair.ts'
import { scoredGroupSchema } from '../../regime-w/group.ts'
import type { Viewer, ViewerItem, ViewerProblem, ViewerRecord, ViewerSource } from '../../report/viewer.ts'
import { traceRecordSchema } from '../../traces/record.ts'
import { fileName, policyName } from './names.ts'
import { readWhole } from './records.ts'
import { proofOf, questionOf, shownRow, shownTrace, shownTrajectory } from './records-shown.ts'
import type { FoundFile, Scan } from './scan.ts'

/** Judge codes that get a record of their own where the even choice has none. */
const MAX_EXTRA = 24

/**
 * The records that the viewer shows: at most about `limit` of them, the same number from each evaluation and
 * pair file, evenly spaced through the file, so that evaluations of the same problems show the same problems.
 * The first trace of each judge code that is not among them is added.
 */
export async function chooseRecords(
  scan: Scan,
  totals: ReadonlyMap<string, number>,
  limit: number,
): Promise<Viewer> {
  const kinds = new Set(scan.files.map(({ kind }) => kind))
  const shown = scan.files.filter(({ kind, file }) => {
    if (kind === 'proofs' || kind === 'questions' || kind === 'pairs') return (totals.get(file) ?? 0) > 0
    // Sampled records are seen through their pairs; where there are none, they are shown themselves.
    return (kind === 'traces' || kind === 'rollouts') && !kinds.has('pairs') && !kinds.has('questions')
  })
  const perFile = Math.max(1, Math.floor(limit / Math.max(1, shown.length)))
  const collection = new Collection()
  for (const source of shown) {
    const total = totals.get(source.file) ?? 0
    const wanted = evenly(total, perFile)
    const before = collection.items.length
    const name = source.kind === 'pairs' ? fileName(source.file) : nameOf(source)
    const index = collection.sources.length
    if (source.kind === 'proofs' || source.kind === 'traces')
      await addTraces(collection, source, index, wanted)
    else if (source.kind === 'questions') await addRows(collection, source, index, wanted)
    else if (source.kind === 'rollouts') await addGroups(collection, source, index, wanted)
    else await addPairs(collection, scan, source, index, wanted)
    collection.sources.push({ name, file: source.file, shown: collection.items.length - before, total })
  }
  return {
    rule:
      `At most ${perFile} records of each file, evenly spaced through it in the file's order` +
      ' (so files about the same problems show the same problems),' +
      ' and the first trace of each judge code that would otherwise be missing.',
    sources: collection.sources,
    problems: Object.fromEntries(collection.problems),
    items: collection.items,
  }
}

function nameOf({ file, kind }: FoundFile): string {
  if (kind !== 'proofs' && kind !== 'questions') return fileName(file)
  const { name, group } = policyName(file)
  return group.startsWith('on ') ? `${name} ${group}` : name
}

/** `count` indices below `total`, evenly spaced; all of them if there are not more. */
export function evenly(total: number, count: number): ReadonlySet<number> {
  if (total <= count) return new Set(Array.from({ length: total }, (_, index) => index))
  return new Set(Array.from({ length: count }, (_, index) => Math.floor((index * total) / count)))
}

class Collection {
  readonly sources: ViewerSource[] = []
  readonly items: ViewerItem[] = []
  readonly problems = new Map<string, ViewerProblem>()

  /** Files may use an id for different problems: the key tells them apart. */
  keyOf(problem: ViewerProblem): string {
    for (let copy = 0; ; copy++) {
      const key = copy === 0 ? problem.id : `${problem.id} (${copy + 1})`
      const known = this.problems.get(key)
      if (known !== undefined && JSON.stringify(known) !== JSON.stringify(problem)) continue
      this.problems.set(key, problem)
      return key
    }
  }

  addSingle(source: number, problem: ViewerProblem, record: ViewerRecord): void {
    this.items.push({ kind: 'single', source, problem: this.keyOf(problem), record })
  }
}

async function addTraces(
  collection: Collection,
  source: FoundFile,
  index: number,
  wanted: ReadonlySet<number>,
): Promise<void> {
  const found: { position: number; problem: ViewerProblem; record: ViewerRecord }[] = []
  const seen = new Set<string>()
  /** The first trace of each code, in case that none of the wanted ones has it. */
  const firsts = new Map<string, (typeof found)[number]>()
  let position = 0
  for await (const trace of readWhole(source.path, traceRecordSchema)) {
    const codes = trace.steps.flatMap(({ code }) => code ?? [])
    const isWanted = wanted.has(position)
    if (isWanted || codes.some((code) => !firsts.has(code))) {
      const entry = { position, problem: proofOf(trace), record: shownTrace(trace) }
      for (const code of codes) if (!firsts.has(code)) firsts.set(code, entry)
      if (isWanted) {
        found.push(entry)
        for (const code of codes) seen.add(code)
      }
    }
    position++
  }
  const extra = [...firsts].filter(([code]) => !seen.has(code)).slice(0, MAX_EXTRA)
  const entries = new Set([...found, ...extra.map(([, entry]) => entry)])
  for (const { problem, record } of [...entries].sort((a, b) => a.position - b.position)) {
    collection.addSingle(index, problem, record)
  }
}

async function addRows(
  collection: Collection,
  source: FoundFile,
  index: number,
  wanted: ReadonlySet<number>,
): Promise<void> {
  let position = 0
  for await (const row of readWhole(source.path, questionRowSchema)) {
    if (wanted.has(position++)) collection.addSingle(index, questionOf(row), shownRow(row))
  }
}

async function addGroups(
  collection: Collection,
  source: FoundFile,
  index: number,
  wanted: ReadonlySet<number>,
): Promise<void> {
  let position = 0
  for await (const group of readWhole(source.path, scoredGroupSchema)) {
    for (const trajectory of group.trajectories) {
      if (!wanted.has(position++)) continue
      collection.addSingle(index, groupQuestion(group), shownTrajectory(trajectory))
    }
  }
}

function groupQuestion(group: {
  readonly question_id?: string | undefined
  readonly question: string
  readonly gold_answer: string | number
}): ViewerProblem {
  const { question_id, question, gold_answer } = group
  return questionOf({ question_id: question_id ?? question, question, gold: String(gold_answer) })
}

/** Both sides with their verdicts, which stand in the files that the pairs were built from. */
async function addPairs(
  collection: Collection,
  scan: Scan,
  source: FoundFile,
  index: number,
  wanted: ReadonlySet<number>,
): Promise<void> {
  const pairs: PreferencePair[] = []
  let position = 0
  for await (const pair of readWhole(source.path, preferencePairSchema)) {
    if (wanted.has(position++)) pairs.push(pair)
  }
  const sides = new Map<string, { problem: ViewerProblem; record: ViewerRecord } | null>()
  for (const pair of pairs) {
    for (const text of [pair.chosen, pair.rejected]) sides.set(sideKey(pair, text), null)
  }
  await findSides(scan, sides)
  for (const pair of pairs) {
    const [chosen, rejected] = [pair.chosen, pair.rejected].map((text) => sides.get(sideKey(pair, text)))
    if (chosen == null || rejected == null) continue
    collection.items.push({
      kind: 'pair',
      source: index,
      problem: collection.keyOf(chosen.problem),
      type: pair.pair_type,
      margin: pair.margin,
      chosen: chosen.record,
      rejected: rejected.record,
    })
  }
}

function sideKey(
  of: { problem_id?: string | undefined; question_id?: string | undefined },
  text: string,
): string {
  return JSON.stringify([of.problem_id ?? of.question_id, text])
}

async function findSides(
  scan: Scan,
  sides: Map<string, { problem: ViewerProblem; record: ViewerRecord } | null>,
): Promise<void> {
  for (const { kind, path } of scan.files) {
    if (kind === 'traces') {
      for await (const trace of readWhole(path, traceRecordSchema)) {
        const key = sideKey(trace, trace.completion)
        if (sides.get(key) === null) sides.set(key, { problem: proofOf(trace), record: shownTrace(trace) })
      }
    } else if (kind === 'rollouts') {
      for await (const group of readWhole(path, scoredGroupSchema)) {
        for (const trajectory of group.trajectories) {
          const key = sideKey(group, trajectory.full_text)
          if (sides.get(key) !== null) continue
          sides.set(key, { problem: groupQuestion(group), record: shownTrajectory(trajectory) })
        }
      }
    }
  }
}
