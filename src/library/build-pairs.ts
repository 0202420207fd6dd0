import { type PreferencesConfig, preferencesSchema } from '../config/training.ts'
import type { PreferencePair } from '../preferences/pair.ts'
import {
  buildRolloutPairs,
  type RolloutPairOptions,
  type RolloutPairReport,
} from '../preferences/rollouts.ts'
import { buildTracePairs, type PairReport, type ScorableTrace } from '../preferences/traces.ts'
import type { ScoredGroup } from '../regime-w/group.ts'

interface FromTraces {
  /** Judged traces, those of one problem by its id. */
  readonly traces: Iterable<ScorableTrace>
  /** @default as the command line has it */
  readonly settings?: Partial<PreferencesConfig>
}
interface FromRollouts {
  readonly rollouts: Iterable<ScoredGroup>
  readonly settings?: RolloutPairOptions
}

/** Preference pairs from judged traces or from scored rollouts, and the report of how they came about. */
export function buildPairs(from: FromTraces): { pairs: PreferencePair[]; report: PairReport }
export function buildPairs(from: FromRollouts): { pairs: PreferencePair[]; report: RolloutPairReport }
export function buildPairs(from: FromTraces | FromRollouts): {
  pairs: PreferencePair[]
  report: PairReport | RolloutPairReport
} {
  return 'traces' in from
    ? buildTracePairs(from.traces, preferencesSchema.parse(from.settings ?? {}))
    : buildRolloutPairs(from.rollouts, from.settings)
}
