import type { PolicyRef } from '../backends/backend.ts'
import { requireGeneration, type StageContext } from '../backends/context.ts'
import { runStage, type Timed, type Untimed } from '../backends/run-stage.ts'
import type { EvaluationConfig } from '../config/evaluation.ts'
import type { Problem } from '../problems/problem.ts'
import { PROOF_PROMPT_VERSION } from '../prompts/proof.ts'
import { fingerprintJson } from '../runs/fingerprint.ts'
import { collectTraces } from '../traces/collect.ts'
import type { CollectOutcome } from '../traces/collect.ts'
import { solverBaseline, type SolverBaseline } from './baselines.ts'
import { evaluatedTraceSchema, type EvaluatedTrace } from './metrics-record.ts'
import { computeMetrics, type EvaluationMetrics } from './metrics.ts'

export interface EvaluationInput {
  readonly dir: string
  readonly stage?: string
  readonly config: EvaluationConfig
  readonly seed: number
  readonly problems: readonly Problem[]
  readonly policy: PolicyRef
}

export interface EvaluationSummary extends CollectOutcome, Timed {
  readonly policy: PolicyRef
  readonly metrics: EvaluationMetrics
  /** What needs no model: the solver alone (`metrics.majority_label` is the other one). */
  readonly solver: SolverBaseline
}

/** File of one evaluated policy: a trace record per problem and sample, with the fields of an evaluation row. */
export const EVALUATION_FILE = 'evaluation.jsonl'

/** Judged traces of a policy on problems that nothing was trained on, and what they amount to. */
export async function runEvaluation(
  context: StageContext,
  input: EvaluationInput,
): Promise<EvaluationSummary> {
  const { config, problems, policy } = input
  const stage = input.stage ?? 'evaluate'
  requireGeneration(context.backend, stage)
  return runStage<Untimed<EvaluationSummary>>(
    context,
    {
      dir: input.dir,
      stage,
      config: { ...config, seed: input.seed, prompt: PROOF_PROMPT_VERSION },
      inputs: { problems: fingerprintJson(problems), policy: policy.fingerprint },
    },
    async (run) => {
      const records: EvaluatedTrace[] = []
      const outcome = await collectTraces(context.backend, {
        stage,
        path: run.path(EVALUATION_FILE),
        resume: run.state === 'resumed',
        problems,
        samplesPerProblem: config.samples_per_problem,
        sampling: config,
        seed: input.seed,
        policy,
        asEvaluationRow: true,
        // The texts are not kept.
        onRecord: (record) => records.push(evaluatedTraceSchema.parse(record)),
        events: context.events,
        signal: context.signal,
      })
      return {
        ...outcome,
        policy,
        metrics: computeMetrics(records, { seed: input.seed }),
        solver: solverBaseline(problems),
      }
    },
  )
}
