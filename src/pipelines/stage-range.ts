import type { StageGate } from '../backends/context.ts'
import type { AbelConfig } from '../config/abel.ts'
import { didYouMean } from '../config/nearest.ts'
import type { OakConfig } from '../config/oak.ts'
import type { PipelineConfig } from '../config/pipeline.ts'
import { ElenchusError } from '../errors.ts'
import { controlFolder, iterationFolder } from './oak/evaluate.ts'

/** Part of a pipeline, both ends included, by the names of stages or of their groups (`iter1`). */
export interface StageRange {
  readonly from?: string | undefined
  readonly until?: string | undefined
}

/** The stages of a pipeline in the order in which they run, by the names that their events bear. */
export function stageNames(config: PipelineConfig): string[] {
  return config.pipeline === 'oak' ? oakStages(config) : abelStages(config)
}

function oakStages(config: OakConfig): string[] {
  const evaluate = (folder: string): string => `evaluate/${folder}`
  const { more_sft, careful_sft } = config.controls
  return [
    ...baseStages(config),
    'sft',
    evaluate(iterationFolder(0)),
    ...Array.from({ length: config.iterations }, (_, index) => iterationFolder(index + 1)).flatMap(
      (iteration) => [`${iteration}/traces`, `${iteration}/dpo`, evaluate(iteration)],
    ),
    ...(more_sft ? ['control/more-sft', evaluate(controlFolder('control: more SFT'))] : []),
    ...(careful_sft ? ['control/careful-sft', evaluate(controlFolder('control: careful SFT only'))] : []),
    ...Object.keys(config.data.evaluate_also).flatMap((name) => [
      evaluate(`${name}-iter0`),
      evaluate(`${name}-last`),
    ]),
  ]
}

function abelStages(config: AbelConfig): string[] {
  return [
    ...baseStages(config),
    ...(config.habits === undefined ? [] : ['base/habits']),
    'evaluate/base',
    'ppo',
    'evaluate/ppo',
    'rollouts',
    'dpo',
    'evaluate/dpo_coherence',
    ...(config.controls.more_sft && config.habits !== undefined
      ? ['control/more-sft', 'evaluate/more_sft']
      : []),
  ]
}

function baseStages({ model }: PipelineConfig): string[] {
  return 'tiny' in model ? ['base/drill', 'base/pretraining'] : []
}

/**
 * Lets the stages of a range begin, and only those. What comes before must have finished; what comes after ends the run.
 * @throws ElenchusError `usage` where the range names no stage, or ends before it begins.
 */
export function stageGate(config: PipelineConfig, range: StageRange): StageGate {
  const names = stageNames(config)
  const first = range.from === undefined ? 0 : (matching(names, range.from)[0] ?? 0)
  const last = range.until === undefined ? names.length - 1 : (matching(names, range.until).at(-1) ?? 0)
  if (first > last) {
    throw new ElenchusError('usage', `${range.from} comes after ${range.until}: nothing would run.`)
  }
  return (stage) => {
    // A stage may have stages within: evaluate/base/coherence.
    const index = names.findIndex((name) => stage === name || stage.startsWith(`${name}/`))
    if (index < 0) throw new ElenchusError('internal', `${stage} is not among the stages of the pipeline.`)
    if (index < first) {
      throw new ElenchusError(
        'usage',
        `${stage} comes before ${range.from}, and has not finished in ${config.output}.`,
        { hint: `Begin there (--from ${stage}), or leave the beginning out.` },
      )
    }
    if (index > last) {
      throw new ElenchusError('cancelled', `Everything until ${range.until} has finished.`, {
        details: { until: range.until },
      })
    }
  }
}

/** Whether a run ended where its range does. */
export function isEndOfRange(error: unknown): error is ElenchusError {
  return ElenchusError.is(error) && error.code === 'cancelled' && error.details['until'] !== undefined
}

/** Indices of the stage of this name, or of the group. */
function matching(names: readonly string[], given: string): number[] {
  const found = names.flatMap((name, index) =>
    name === given || name.startsWith(`${given}/`) ? [index] : [],
  )
  const inOnePiece = found.every((index, at) => index === (found[0] ?? 0) + at)
  if (found.length > 0 && inOnePiece) return found
  const why = found.length === 0 ? 'There is no stage' : 'Not one after the other are the stages of'
  throw new ElenchusError('usage', `${why} ${given}.${found.length === 0 ? didYouMean(given, names) : ''}`, {
    hint: `Stages: ${names.join(', ')}.`,
  })
}
