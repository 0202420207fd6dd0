import { ElenchusError } from '../errors.ts'
import { type Label, LABELS } from '../logic/truth.ts'
import { type EvaluatedTrace, groupByProblem, type ProblemTraces } from './metrics-record.ts'
import { bootstrapMean, bootstrapMeans, clusterOf, type Cluster } from './statistics-bootstrap.ts'
import { majorityVote } from './statistics-sampling.ts'
import { type Estimate, wilson } from './statistics.ts'

/**
 * The judge's view of a set of problems. Problems that cannot be judged are not in it; a field is null
 * where no problem (or no step) is left to speak of.
 */
export interface JudgedMetrics {
  /** Sound steps / all steps; over problems by bootstrap. Repeating a sound step raises it: read it beside `validity_rate`. */
  readonly step_validity: Estimate | null
  /** Mean over traces of (new formulas + a warranted CONCLUDE) / steps, 0 for a trace without steps. */
  readonly validity_rate: Estimate | null
  /** Valid traces by proof / traces, over the problems labelled TRUE or FALSE. */
  readonly trace_validity: Estimate | null
  /** Traces that end in a warranted conclusion, by proof or by the solver. */
  readonly warranted: Estimate | null
}

export interface MetricsRow extends JudgedMetrics {
  readonly problems: number
  readonly traces: number
  readonly accuracy: Estimate
}

export interface SelfConsistency {
  /** Samples per problem; the smallest number that every problem has. */
  readonly k: number
  /** Problems whose commonest answer is right. */
  readonly accuracy: Estimate
  /** Problems with at least one right answer. */
  readonly pass_at_k: Estimate
  /** Problems where the commonest answer was not alone; the one given first counted. */
  readonly ties: number
}

/** Intervals are Wilson's where each problem has one trace, and a bootstrap over problems otherwise. */
export interface EvaluationMetrics extends MetricsRow {
  readonly steps_per_trace: Estimate
  readonly tokens_per_trace: Estimate
  readonly traces_without_steps: number
  readonly finish_reasons: Readonly<Record<string, number>>
  /** Problems labelled UNKNOWN: the solver certifies the answer, and nothing is proved. */
  readonly unknown: { readonly problems: number; readonly certified: Estimate } | null
  /** Problems that cannot be judged; they count for accuracy, tokens and finish reasons only. */
  readonly set_apart: { readonly inconsistent: number; readonly unverifiable: number }
  readonly by_depth: readonly ({ readonly depth: number | null } & MetricsRow)[]
  readonly by_label: readonly ({ readonly label: Label } & MetricsRow)[]
  /** Null with one sample per problem. */
  readonly self_consistency: SelfConsistency | null
  /** Steps and traces per code of the judge (`redundant` is sound), commonest first. */
  readonly error_codes: Readonly<Record<string, number>>
  /** What always answering the commonest label scores. */
  readonly majority_label: { readonly label: Label; readonly accuracy: Estimate }
}

/**
 * The metrics of an evaluation.
 *
 * @param options.seed of the bootstrap, so that a report can be made again. @default 0
 * @throws ElenchusError `record_invalid` if there is no trace, or one that {@link groupByProblem} refuses.
 */
export function computeMetrics(
  traces: readonly EvaluatedTrace[],
  { seed = 0 }: { readonly seed?: number } = {},
): EvaluationMetrics {
  const problems = groupByProblem(traces)
  if (problems.length === 0) throw new ElenchusError('record_invalid', 'There is no trace to evaluate.')
  const all = problems.flatMap((problem) => problem.traces)
  const judged = problems.filter((problem) => problem.status === 'judged')
  const unknown = judged.filter((problem) => problem.label === 'UNKNOWN')
  const over = (value: (trace: EvaluatedTrace) => number): Cluster[] =>
    problems.map((problem) => clusterOf(problem.traces.map(value)))
  const [stepsPerTrace, tokensPerTrace] = bootstrapMeans(
    [over((trace) => trace.total_step_count), over((trace) => trace.num_tokens)],
    { seed },
  )
  return {
    ...rowOf(problems, seed),
    steps_per_trace: stepsPerTrace!,
    tokens_per_trace: tokensPerTrace!,
    traces_without_steps: all.filter((trace) => trace.total_step_count === 0).length,
    finish_reasons: countOf(all.map((trace) => trace.finish_reason)),
    unknown:
      unknown.length === 0
        ? null
        : { problems: unknown.length, certified: share(unknown, (trace) => trace.trace_valid, seed) },
    set_apart: {
      inconsistent: problems.filter(({ status }) => status === 'inconsistent').length,
      unverifiable: problems.filter(({ status }) => status === 'unverifiable').length,
    },
    by_depth: depthsOf(problems).map((depth) => {
      const some = problems.filter((problem) => (problem.depth ?? null) === depth)
      return Object.assign({ depth }, rowOf(some, seed))
    }),
    by_label: LABELS.flatMap((label) => {
      const some = problems.filter((problem) => problem.label === label)
      return some.length === 0 ? [] : [{ label, ...rowOf(some, seed) }]
    }),
    self_consistency: selfConsistency(problems),
    error_codes: countOf(
      judged.flatMap((problem) =>
        problem.traces.flatMap(({ steps, trace_code }) => [
          ...steps.flatMap((step) => step.code ?? []),
          ...(trace_code === null ? [] : [trace_code]),
        ]),
      ),
    ),
    majority_label: majorityLabel(problems),
  }
}

function rowOf(problems: readonly ProblemTraces[], seed: number): MetricsRow {
  const judged = problems.filter((problem) => problem.status === 'judged')
  const decided = judged.filter((problem) => problem.label !== 'UNKNOWN')
  const steps = judged.map(({ traces }) => ({
    sum: traces.reduce((sum, trace) => sum + trace.valid_step_count, 0),
    count: traces.reduce((sum, trace) => sum + trace.total_step_count, 0),
  }))
  const rates = judged.map(({ traces }) => clusterOf(traces.map((trace) => trace.validity_rate)))
  // Without any step only the rate has a mean. Together they share their resamples.
  const some = steps.some(({ count }) => count > 0)
  const means = judged.length === 0 ? [] : bootstrapMeans(some ? [rates, steps] : [rates], { seed })
  const [validityRate = null, stepValidity = null] = means
  const proved = (trace: EvaluatedTrace): boolean => trace.trace_valid && trace.warrant === 'proof'
  return {
    problems: problems.length,
    traces: problems.reduce((sum, { traces }) => sum + traces.length, 0),
    accuracy: share(problems, (trace) => trace.correct, seed),
    step_validity: stepValidity,
    validity_rate: validityRate,
    trace_validity: decided.length === 0 ? null : share(decided, proved, seed),
    warranted: judged.length === 0 ? null : share(judged, (trace) => trace.warranted, seed),
  }
}

/** The share of traces for which something holds. */
function share(
  problems: readonly ProblemTraces[],
  holds: (trace: EvaluatedTrace) => boolean,
  seed: number,
): Estimate {
  const clusters = problems.map(({ traces }) => clusterOf(traces.map((trace) => (holds(trace) ? 1 : 0))))
  if (clusters.some(({ count }) => count !== 1)) return bootstrapMean(clusters, { seed })
  return wilson(
    clusters.reduce((sum, cluster) => sum + cluster.sum, 0),
    clusters.length,
  )
}

function selfConsistency(problems: readonly ProblemTraces[]): SelfConsistency | null {
  const k = Math.min(...problems.map(({ traces }) => traces.length))
  if (k < 2) return null
  const first = problems.map(({ label, traces }) => ({ label, traces: traces.slice(0, k) }))
  const votes = first.map(({ label, traces }) => ({
    label,
    vote: majorityVote(traces.map((trace) => trace.final_answer)),
  }))
  return {
    k,
    accuracy: wilson(votes.filter(({ label, vote }) => vote.answer === label).length, problems.length),
    pass_at_k: wilson(
      first.filter((each) => each.traces.some((trace) => trace.correct)).length,
      problems.length,
    ),
    ties: votes.filter(({ vote }) => vote.tied).length,
  }
}

function majorityLabel(problems: readonly ProblemTraces[]): EvaluationMetrics['majority_label'] {
  const counts = LABELS.map((label) => ({
    label,
    count: problems.filter((problem) => problem.label === label).length,
  }))
  const top = counts.reduce((best, each) => (each.count > best.count ? each : best))
  return { label: top.label, accuracy: wilson(top.count, problems.length) }
}

/** The depths that occur, ascending; null, last, for problems without one. Empty if none has one. */
function depthsOf(problems: readonly ProblemTraces[]): (number | null)[] {
  const depths = [...new Set(problems.flatMap(({ depth }) => depth ?? []))].sort((a, b) => a - b)
  const without = problems.some(({ depth }) => depth === undefined)
  return depths.length > 0 && without ? [...depths, null] : depths
}

/** How often each name occurs, commonest first. */
function countOf(names: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)))
}
