import * as z from 'zod'
import type { Curve, Panel, Series } from '../../report/report.ts'
import { isComplete } from './evaluations.ts'
import { fileName } from './names.ts'
import { readWhole } from './records.ts'
import type { FoundFile } from './scan.ts'

const rowSchema = z.looseObject({ step: z.number().int().nonnegative() })
type Row = z.infer<typeof rowSchema>

/** More points than pixels help nobody; beyond this, neighbours are averaged. */
const MAX_POINTS = 200

/** Keys of metrics that belong into one picture, in the order of the report. Others are left out of it. */
const PANELS: readonly { readonly title: string; readonly keys: readonly string[] }[] = [
  { title: 'reward and accuracy', keys: ['reward', 'accuracy'] },
  { title: 'loss', keys: ['loss', 'policy_loss', 'value_loss'] },
  { title: 'implicit rewards', keys: ['chosen_reward', 'rejected_reward', 'margin'] },
  { title: 'KL divergence from the start', keys: ['kl', 'reference_kl'] },
  { title: 'tokens per answer', keys: ['response_tokens'] },
  { title: 'entropy per token', keys: ['entropy_per_token'] },
  { title: 'clipped share', keys: ['clip_fraction', 'value_clip_fraction'] },
  { title: 'gradient norm', keys: ['grad_norm'] },
  { title: 'learning rate', keys: ['learning_rate'] },
]

export async function readCurve(source: FoundFile): Promise<Curve> {
  const rows: Row[] = []
  for await (const row of readWhole(source.path, rowSchema)) rows.push(row)
  const panels = PANELS.flatMap(({ title, keys }): Panel[] => {
    const series = keys.flatMap((key) => seriesOf(rows, key))
    return series.length === 0 ? [] : [{ title: titleOf(title, series), series }]
  })
  return {
    name: fileName(source.file),
    file: source.file,
    complete: isComplete(source),
    unit: rows.some((row) => Object.hasOwn(row, 'optimizer_step')) ? 'iteration' : 'optimiser step',
    rows: rows.length,
    panels,
  }
}

/** "reward and accuracy" of a stage that has only one of them is named after that one. */
function titleOf(title: string, series: readonly Series[]): string {
  return title === 'reward and accuracy' && series.length === 1 ? series[0]!.name : title
}

function seriesOf(rows: readonly Row[], key: string): Series[] {
  const points = rows.flatMap((row): [number, number | null][] => {
    const value = row[key]
    if (value === undefined) return []
    return [[row.step, typeof value === 'number' && Number.isFinite(value) ? value : null]]
  })
  if (points.every(([, value]) => value === null)) return []
  return [{ name: key.replaceAll('_', ' '), points: thinned(points) }]
}

/** Means of as many neighbours as it takes; a gap stays a gap where all of them are missing. */
function thinned(points: readonly [number, number | null][]): [number, number | null][] {
  const size = Math.ceil(points.length / MAX_POINTS)
  if (size <= 1) return [...points]
  return Array.from({ length: Math.ceil(points.length / size) }, (_, index) => {
    const some = points.slice(index * size, (index + 1) * size)
    const values = some.flatMap(([, value]) => value ?? [])
    const mean = (numbers: readonly number[]): number =>
      numbers.reduce((sum, each) => sum + each, 0) / numbers.length
    return [mean(some.map(([step]) => step)), values.length === 0 ? null : mean(values)]
  })
}
