import type { PreferencesConfig } from '../config/training.ts'
import type { PreferencePair } from './pair.ts'

/** What pair building needs of a judged trace; a trace record has all of it. */
export interface ScorableTrace {
  readonly problem_id: string
  readonly prompt: string
  readonly completion: string
  readonly completion_ids?: readonly number[] | undefined
  readonly prompt_tokens?: number | undefined
  readonly correct: boolean
  /** (valid, not redundant steps and a warranted CONCLUDE) / all steps, in [0, 1]. */
  readonly validity_rate: number
  readonly trace_valid: boolean
  /** What a warranted conclusion rests on; only `proof` earns the bonus of a valid trace. */
  readonly warrant: 'proof' | 'solver' | null
  readonly steps: readonly {
    readonly thought: string
    readonly action: string
    readonly solver_valid: boolean
  }[]
  readonly policy: string
}

/** Why candidates did not become pairs. Each count is of candidate (chosen, rejected) combinations unless it says otherwise. */
export interface PairReport {
  readonly problems: number
  readonly problems_with_pairs: number
  readonly traces: number
  /** Traces of a problem whose text another trace of it already has. */
  readonly identical_traces: number
  /** Problems all of whose traces have one text. */
  readonly problems_all_identical: number
  /** Problems without any trace that is valid by proof. */
  readonly problems_without_valid_trace: number
  readonly pairs: number
  readonly skipped: {
    readonly equal_score: number
    readonly winner_not_valid: number
    readonly gap_too_small: number
    readonly no_common_prefix: number
    readonly over_cap: number
  }
}

/** validity rate + correct_weight x correct + proof_weight x valid by proof (DESIGN section 6). */
export function traceScore(trace: ScorableTrace, config: PreferencesConfig): number {
  return (
    trace.validity_rate +
    (trace.correct ? config.correct_weight : 0) +
    (validByProof(trace) ? config.proof_weight : 0)
  )
}

function validByProof(trace: ScorableTrace): boolean {
  return trace.trace_valid && trace.warrant === 'proof'
}

/**
 * Preference pairs from judged traces. Traces of one problem must stand together or apart, the order of
 * problems is kept; the result is deterministic.
 *
 * Modes: `best-vs-rest` pairs the best trace of a problem with each other one; `all` takes every
 * combination; `step` takes two traces that agree up to a step which is valid in one and invalid in the
 * other. The chosen side always has the strictly higher score.
 */
export function buildTracePairs(
  traces: Iterable<ScorableTrace>,
  config: PreferencesConfig,
): { pairs: PreferencePair[]; report: PairReport } {
  const groups = new Map<string, ScorableTrace[]>()
  for (const trace of traces) {
    const group = groups.get(trace.problem_id)
    if (group === undefined) groups.set(trace.problem_id, [trace])
    else group.push(trace)
  }
  const count = { traces: 0, identical: 0, allIdentical: 0, withoutValid: 0, withPairs: 0 }
  const skipped = { equal_score: 0, winner_not_valid: 0, gap_too_small: 0, no_common_prefix: 0, over_cap: 0 }
  const pairs: PreferencePair[] = []
  for (const group of groups.values()) {
    const distinct = [...new Map(group.map((trace) => [trace.completion, trace])).values()]
    count.traces += group.length
    count.identical += group.length - distinct.length
    if (distinct.length === 1 && group.length > 1) count.allIdentical++
    if (!distinct.some(validByProof)) count.withoutValid++
    const accepted = candidates(distinct, config).flatMap(([chosen, rejected]) => {
      const reason = refusal(chosen, rejected, config)
      if (reason === undefined) return [toPair(chosen, rejected, config)]
      skipped[reason]++
      return []
    })
    // The widest margins survive the cap.
    accepted.sort((a, b) => b.margin - a.margin)
    skipped.over_cap += Math.max(0, accepted.length - config.max_pairs_per_problem)
    accepted.length = Math.min(accepted.length, config.max_pairs_per_problem)
    if (accepted.length > 0) count.withPairs++
    pairs.push(...accepted)
  }
  const report: PairReport = {
    problems: groups.size,
    problems_with_pairs: count.withPairs,
    traces: count.traces,
    identical_traces: count.identical,
    problems_all_identical: count.allIdentical,
    problems_without_valid_trace: count.withoutValid,
    pairs: pairs.length,
    skipped,
  }
  return { pairs, report }
}

/** Combinations to consider, the higher score first. */
function candidates(
  distinct: readonly ScorableTrace[],
  config: PreferencesConfig,
): [ScorableTrace, ScorableTrace][] {
  const ranked = distinct
    .map((trace) => ({ trace, score: traceScore(trace, config) }))
    .sort((a, b) => b.score - a.score)
    .map(({ trace }) => trace)
  const firsts = config.mode === 'best-vs-rest' ? ranked.slice(0, 1) : ranked
  return firsts.flatMap((chosen, index) =>
    ranked.slice(index + 1).map((rejected): [ScorableTrace, ScorableTrace] => [chosen, rejected]),
  )
}

function refusal(
  chosen: ScorableTrace,
  rejected: ScorableTrace,
  config: PreferencesConfig,
): keyof PairReport['skipped'] | undefined {
  if (traceScore(chosen, config) <= traceScore(rejected, config)) return 'equal_score'
  if (config.require_valid_winner && !validByProof(chosen)) return 'winner_not_valid'
  if (config.mode === 'step') return divergesAtStep(chosen, rejected) ? undefined : 'no_common_prefix'
  // A tolerance for rates such as 3/5 - 1/2, which are not exact in binary.
  const gap = chosen.validity_rate - rejected.validity_rate
  return gap < config.min_validity_gap - 1e-12 ? 'gap_too_small' : undefined
}

/** Both traces agree up to some step that is valid in `chosen` and invalid in `rejected`. */
function divergesAtStep(chosen: ScorableTrace, rejected: ScorableTrace): boolean {
  const step = chosen.steps.findIndex((own, index) => {
    const other = rejected.steps[index]
    return other === undefined || own.thought !== other.thought || own.action !== other.action
  })
  const first = chosen.steps[step]
  const second = rejected.steps[step]
  if (first === undefined || second === undefined) return false
  return first.solver_valid && !second.solver_valid
}

function toPair(chosen: ScorableTrace, rejected: ScorableTrace, config: PreferencesConfig): PreferencePair {
  const chosenScore = traceScore(chosen, config)
  const rejectedScore = traceScore(rejected, config)
  return {
    problem_id: chosen.problem_id,
    prompt: chosen.prompt,
    chosen: chosen.completion,
    rejected: rejected.completion,
    ...(chosen.completion_ids !== undefined && rejected.completion_ids !== undefined
      ? { chosen_ids: [...chosen.completion_ids], rejected_ids: [...rejected.completion_ids] }
      : { retokenised: true }),
    chosen_score: chosenScore,
    rejected_score: rejectedScore,
    margin: chosenScore - rejectedScore,
    pair_type: config.mode === 'step' ? 'step' : 'trace',
    ...(chosen.prompt_tokens === undefined ? {} : { prompt_tokens: chosen.prompt_tokens }),
    policy: chosen.policy,
  }
}

/** Why there are no (or few) pairs, one sentence per cause with the flag to change; most frequent cause first. */
export function explainPairs(report: PairReport, config: PreferencesConfig): string[] {
  const { skipped } = report
  const causes: [number, string][] = [
    [report.traces === 0 ? 1 : 0, 'The trace file holds no traces: generate some with `elenchus traces`.'],
    [
      report.problems > 0 && report.traces === report.problems ? report.problems : 0,
      `Every problem has one trace only; pairs need two: raise --samples-per-problem.`,
    ],
    [
      report.problems_all_identical,
      `${report.problems_all_identical} of ${report.problems} problems have only identical samples: raise --temperature (greedy decoding gives one text).`,
    ],
    [
      skipped.winner_not_valid,
      `${skipped.winner_not_valid} candidate pairs have a chosen side that is not valid by proof (${report.problems_without_valid_trace} problems have no such trace): more samples per problem, more SFT, or --require-valid-winner=false.`,
    ],
    [
      skipped.gap_too_small,
      `${skipped.gap_too_small} candidate pairs differ by less than ${config.min_validity_gap} in validity rate: lower --min-validity-gap.`,
    ],
    [
      skipped.equal_score,
      `${skipped.equal_score} candidate pairs have equal scores: there is nothing to prefer.`,
    ],
    [
      skipped.no_common_prefix,
      `${skipped.no_common_prefix} candidate pairs do not diverge at a step that is valid in one and invalid in the other: use --pair-mode best-vs-rest.`,
    ],
  ]
  return causes
    .filter(([n]) => n > 0)
    .sort(([a], [b]) => b - a)
    .map(([, sentence]) => sentence)
}
