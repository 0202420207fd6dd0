import { join } from 'node:path'
import type { PolicyRef, StepResult, TrainBatch, TrainingOptions } from '../backends/backend.ts'
import type { DpoConfig } from '../config/training.ts'
import { type StageContext, requireTraining } from '../backends/context.ts'
import { runStage, type Timed, type Untimed } from '../backends/run-stage.ts'
import { ElenchusError } from '../errors.ts'
import type { PreferencePair } from '../preferences/pair.ts'
import { writeConfigAtomic, writeJsonAtomic } from '../runs/atomic.ts'
import { batchesOf, groupedBatchesOf, totalSteps } from './batches.ts'
import { runTrainingLoop } from './loop.ts'
import type { TrainingOutcome } from './loop.ts'
import { trainWithRecovery } from './recovery.ts'
import { referenceScores } from './reference-scores.ts'
import { loraOf, MEMORY_ONLY, optimizerOf, pick } from './settings.ts'
import { buildPairGraph, pairsByQuestion } from './pair-graph.ts'
import type { PairGraph } from './pair-graph.ts'

export interface DpoInput {
  readonly dir: string
  readonly stage?: string
  readonly config: DpoConfig
  readonly seed: number
  readonly pairs: readonly PreferencePair[]
  readonly dataFingerprint: string
  /** Start of training and, frozen, the reference. */
  readonly start: PolicyRef
}

export interface DpoSummary extends TrainingOutcome, Timed {
  readonly pairs: number
  /** Pairs left out because prompt and completion exceed `max_length`. */
  readonly too_long: number
  /** Distinct completions; each is evaluated once per step, however many pairs it is in. */
  readonly trajectories: number
  readonly trainable_parameters: number
  /** Scoring the reference, this attempt and those before it. */
  readonly reference_seconds: number
  readonly policy: PolicyRef
}

/**
 * Direct preference optimisation (Rafailov et al. 2023, eq. 7) of the start policy against itself, frozen.
 * Reference log-probabilities are scored once, before training, by the kernel that trains.
 */
export async function runDpo(context: StageContext, input: DpoInput): Promise<DpoSummary> {
  const { config, seed, start } = input
  const stage = input.stage ?? 'dpo'
  requireTraining(context.backend, stage)
  refuseStalePairs(input.pairs, start, config, stage)
  return runStage<Untimed<DpoSummary>>(
    context,
    {
      dir: input.dir,
      stage,
      config: { ...config, seed },
      inputs: { pairs: input.dataFingerprint, start: start.fingerprint },
      free: MEMORY_ONLY,
    },
    async (run) => {
      await writeConfigAtomic(run.path('dpo_config.json'), { ...config, seed })

      const kept = input.pairs.filter((pair) => lengthOf(pair) <= config.max_length)
      const tooLong = input.pairs.length - kept.length
      if (kept.length === 0) {
        throw new ElenchusError('no_pairs', `${stage}: no pair to train on (${tooLong} exceed --max-length).`)
      }
      if (tooLong > 0) {
        context.events({
          type: 'warning',
          stage,
          message: `${tooLong} of ${input.pairs.length} pairs exceed --max-length ${config.max_length} and are left out.`,
        })
      }
      const graph = buildPairGraph(kept)
      const reference = await referenceScores(context, {
        stage,
        path: run.path('reference_scores.jsonl'),
        resume: run.state === 'resumed',
        trajectories: graph.trajectories,
        policy: start,
      })

      const options: TrainingOptions = {
        algorithm: 'dpo',
        target:
          start.kind === 'adapter'
            ? { kind: 'adapter', policy: start }
            : { kind: 'new-adapter', lora: loraOf(config.lora) },
        optimizer: optimizerOf(config),
        microBatchTokens: config.micro_batch_tokens,
        gradientCheckpointing: config.gradient_checkpointing,
        seed,
        ...(context.signal && { signal: context.signal }),
      }
      const perStep = config.batch_size * config.gradient_accumulation_steps
      const pairsOf =
        config.batching === 'questions'
          ? groupedBatchesOf(pairsByQuestion(graph), perStep, seed)
          : batchesOf(kept.length, perStep, seed)
      const { dtype } = await context.backend.info()
      const summary = await trainWithRecovery(
        context,
        { stage, dir: input.dir },
        options,
        async (session): Promise<Untimed<DpoSummary>> => {
          const outcome = await runTrainingLoop({
            stage,
            dir: input.dir,
            session,
            config,
            total: totalSteps(kept.length, perStep, config),
            batchAt: (step) => dpoBatch(graph, reference.sums, pairsOf(step), config),
            guardFirstStep: (result) => guardReference(result, config, stage, dtype),
            events: context.events,
            signal: context.signal,
          })
          return {
            ...outcome,
            pairs: kept.length,
            too_long: tooLong,
            trajectories: graph.trajectories.length,
            trainable_parameters: session.trainableParameters,
            reference_seconds: reference.seconds,
            policy: await session.save(join(input.dir, 'final')),
          }
        },
      )
      await writeJsonAtomic(run.path('training_summary.json'), summary)
      return summary
    },
  )
}

/** Tokens of prompt and longer completion. */
function lengthOf(pair: PreferencePair): number {
  return (pair.prompt_tokens ?? 0) + Math.max(pair.chosen_ids?.length ?? 0, pair.rejected_ids?.length ?? 0)
}

/** Fresh traces are the point of the loop: pairs must come from the policy that is trained. */
function refuseStalePairs(
  pairs: readonly PreferencePair[],
  start: PolicyRef,
  config: DpoConfig,
  stage: string,
): void {
  if (config.allow_stale_traces) return
  const stale = pairs.find((pair) => pair.policy !== start.fingerprint)
  if (stale === undefined) return
  throw new ElenchusError(
    'stale_policy',
    `${stage}: the pairs were generated by policy ${stale.policy ?? '(not recorded)'}, but training starts from ${start.fingerprint}.`,
  )
}

/** The sub-graph of one optimiser step: its pairs, and the trajectories that they name. */
function dpoBatch(
  graph: PairGraph,
  reference: Float64Array,
  pairIndices: readonly number[],
  config: DpoConfig,
): TrainBatch {
  const edges = pick(graph.edges, pairIndices)
  const used = [...new Set(edges.flatMap((edge) => [edge.chosen, edge.rejected]))].sort((a, b) => a - b)
  const position = new Map(used.map((trajectory, index) => [trajectory, index]))
  const local = (trajectory: number): number => position.get(trajectory) ?? 0
  return {
    kind: 'dpo',
    trajectories: pick(graph.trajectories, used),
    pairs: edges.map((edge) => ({ chosen: local(edge.chosen), rejected: local(edge.rejected) })),
    referenceSums: Float64Array.from(used, (index) => reference[index] ?? Number.NaN),
    loss: {
      kind: config.loss,
      beta: config.beta,
      labelSmoothing: config.label_smoothing,
      nllCoef: config.nll_coef,
      lengthNormalised: config.length_normalised,
    },
    maxLength: config.max_length,
  }
}

/** Of fp32: the largest difference of a sequence's log-probability, in nats; rounding stays below a tenth of it. */
const FLOAT32_GAP = 0.01
/** Of half precision, whose kernels differ by the shape of a batch: the mean difference per token, in nats. */
const HALF_GAP_PER_TOKEN = 0.02

/** Policy and reference are the same weights at step 1, so every log-ratio must be 0 and the sigmoid loss ln 2. */
function guardReference(
  { metrics, loss }: StepResult,
  config: DpoConfig,
  stage: string,
  dtype: string | undefined,
): void {
  // With dropout the policy differs from itself.
  if (config.lora.dropout > 0) return
  const exact = dtype === 'float32'
  const found = metrics[exact ? 'reference_gap' : 'reference_gap_per_token']
  const limit = exact ? FLOAT32_GAP : HALF_GAP_PER_TOKEN
  if (found !== undefined && found <= limit) return
  throw new ElenchusError(
    'guard_failed',
    `${stage}: at the first step ${exact ? 'the largest difference between policy and reference, in nats per sequence,' : 'the mean difference between policy and reference, in nats per token,'} is ${found ?? 'missing'}, at most ${limit} is rounding (loss ${loss.toFixed(4)}, expected ln 2 = 0.6931 for the sigmoid loss). The reference does not belong to this policy.`,
  )
}
