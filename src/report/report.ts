import type { Comparison } from '../evaluation/metrics-compare.ts'
import type { EvaluationMetrics } from '../evaluation/metrics.ts'
import type { QuestionMetrics } from '../evaluation/questions-metrics.ts'
import type { Coherence } from '../evaluation/questions-coherence.ts'
import type { ReliabilityBin } from '../evaluation/statistics-calibration.ts'
import type { Estimate } from '../evaluation/statistics.ts'
import type { Distribution } from './distribution.ts'
import type { Viewer } from './viewer.ts'

/** Everything that a report shows: plain JSON, what `elenchus report --json` prints. */
export interface Report {
  readonly format: 1
  /** ISO 8601. */
  readonly made_at: string
  readonly run: RunFacts
  /** In the order in which they began. */
  readonly stages: readonly StageFacts[]
  /** In the order of the run: policies, then controls, then further evaluation sets. */
  readonly evaluations: readonly Evaluation[]
  readonly comparisons: readonly PairedComparison[]
  readonly curves: readonly Curve[]
  readonly samples: readonly SampleFile[]
  readonly pairs: readonly PairFile[]
  readonly calibrations: readonly Calibration[]
  readonly viewer: Viewer
  /** What a reader may look for and does not find, and why. */
  readonly missing: readonly string[]
}

export interface RunFacts {
  /** Name of the run's directory. */
  readonly name: string
  /** `stages`: a directory of single stages, without a pipeline around them. */
  readonly pipeline: 'oak' | 'abel' | 'stages'
  /** `running` only where its process can be seen; `unknown` where it ran on another machine. */
  readonly state: 'finished' | 'running' | 'interrupted' | 'unknown'
  readonly started_at: string | null
  readonly ended_at: string | null
  /** Of the newest attempt. */
  readonly versions: Readonly<Record<string, string>>
  /** The resolved configuration; null where none was recorded. */
  readonly config: unknown
}

export interface StageFacts {
  readonly name: string
  /** Relative to the run. */
  readonly dir: string
  readonly state: RunFacts['state']
  readonly attempts: number
  readonly started_at: string | null
  /** Of all attempts, those that were killed left out; null if no attempt has an end. */
  readonly seconds: number | null
  /** Of the attempt that finished it; empty where nothing was generated, trained or scored, or nobody counted. */
  readonly rates: readonly WorkRate[]
}

export interface WorkRate {
  readonly work: 'generated' | 'trained' | 'scored'
  readonly tokens_per_second: number
  /** Share of the devices' peak; null where that is not known. */
  readonly mfu: number | null
}

interface EvaluationBase {
  readonly name: string
  /** Its file, relative to the run. */
  readonly file: string
  /** What it is compared with: policies on the held-out set, controls on it, or another set's name. */
  readonly group: 'policies' | 'controls' | `on ${string}`
  /** False: the metrics are those of the records so far. */
  readonly complete: boolean
  readonly tokens: Distribution
}

export interface ProofEvaluation extends EvaluationBase {
  readonly kind: 'proofs'
  readonly metrics: EvaluationMetrics
  /** What the solver alone answers. */
  readonly solver: Estimate | null
}

export interface QuestionEvaluation extends EvaluationBase {
  readonly kind: 'questions'
  readonly metrics: QuestionMetrics
  /** Regime W on further samples; null if it was not measured. */
  readonly coherence: Coherence | null
}

export type Evaluation = ProofEvaluation | QuestionEvaluation

/** Two evaluations of the same problems (first sample of each), paired by problem. */
export interface PairedComparison {
  readonly a: string
  readonly b: string
  /** `trace validity`: valid by proof, over the problems labelled TRUE or FALSE. */
  readonly of: 'accuracy' | 'trace validity'
  readonly comparison: Comparison
}

/** `metrics.jsonl` of a training stage. */
export interface Curve {
  readonly name: string
  readonly file: string
  readonly complete: boolean
  /** What its x axis counts: "optimiser step", "iteration". */
  readonly unit: string
  /** Rows of the file; the series may have fewer points. */
  readonly rows: number
  readonly panels: readonly Panel[]
}

export interface Panel {
  readonly title: string
  readonly series: readonly Series[]
}

export interface Series {
  readonly name: string
  /** x ascending; y null where the value was not a finite number. */
  readonly points: readonly (readonly [number, number | null])[]
}

/** Traces or rollouts that training was fed with. */
export interface SampleFile {
  readonly name: string
  readonly file: string
  readonly kind: 'traces' | 'rollouts'
  readonly complete: boolean
  /** Problems or questions. */
  readonly problems: number
  readonly samples: number
  readonly correct: number
  /** Traces only. */
  readonly valid_by_proof: number | null
  /** Texts that another sample of the same problem has too. */
  readonly identical: number
  readonly finish_reasons: Readonly<Record<string, number>>
  /** Steps per code of the judge; traces only. */
  readonly codes: Readonly<Record<string, number>> | null
  readonly tokens: Distribution
  /** Rollouts only. */
  readonly rewards: Distribution | null
}

export interface PairFile {
  readonly name: string
  readonly file: string
  readonly pairs: number
  readonly by_type: Readonly<Record<string, number>>
  /** Problems or questions that have a pair. */
  readonly problems: number
  /** Null without pairs. */
  readonly margins: Distribution | null
  /** Null where the records carry no ids. */
  readonly chosen_tokens: Distribution | null
  readonly rejected_tokens: Distribution | null
  /** How the pairs came about; null in runs that did not record it. */
  readonly building: {
    readonly candidates: number
    /** Problems or questions that were looked at. */
    readonly problems: number
    readonly skipped: Readonly<Record<string, number>>
    /** Sentences, most frequent cause first. */
    readonly reasons: readonly string[]
  } | null
}

/**
 * Agreement of samples as a forecast: the share of a problem's samples that give its commonest answer,
 * against whether that answer is right.
 */
export interface Calibration {
  readonly name: string
  readonly file: string
  /** Samples of a problem. */
  readonly samples: number
  /** Problems with at least one answer. */
  readonly problems: number
  /** Problems none of whose samples gave an answer: no forecast. */
  readonly without_answer: number
  readonly bins: readonly ReliabilityBin[]
  readonly expected_error: number
  /** Null where every forecast came true, or none. */
  readonly auc: number | null
}
