import type { PolicyRef } from '../backends/backend.ts'
import { requireGeneration, type StageContext } from '../backends/context.ts'
import { runStage, type Timed, type Untimed } from '../backends/run-stage.ts'
import type { TracesConfig } from '../config/traces.ts'
import type { Problem } from '../problems/problem.ts'
import { PROOF_PROMPT_VERSION } from '../prompts/proof.ts'
import { writeConfigAtomic } from '../runs/atomic.ts'
import { fingerprintJson } from '../runs/fingerprint.ts'
import { collectTraces } from './collect.ts'
import type { CollectOutcome } from './collect.ts'
import { TraceTally, type TraceTotals } from './summary.ts'

export interface TracesInput {
  readonly dir: string
  readonly stage?: string
  readonly config: TracesConfig
  readonly seed: number
  readonly problems: readonly Problem[]
  readonly policy: PolicyRef
}

export interface TracesSummary extends TraceTotals, CollectOutcome, Timed {
  readonly policy: PolicyRef
  /** Of this attempt and those before it. */
  readonly total_seconds: number
}

/** Fresh traces of a policy: `traces.jsonl`, `summary.json` and `generation_config.json`. */
export async function runTraces(context: StageContext, input: TracesInput): Promise<TracesSummary> {
  const { config, problems, policy } = input
  const stage = input.stage ?? 'traces'
  requireGeneration(context.backend, stage)
  return runStage<Untimed<TracesSummary>>(
    context,
    {
      dir: input.dir,
      stage,
      config: { ...config, seed: input.seed, prompt: PROOF_PROMPT_VERSION },
      inputs: { problems: fingerprintJson(problems), policy: policy.fingerprint },
    },
    async (run) => {
      if (config.temperature === 0 && config.samples_per_problem > 1) {
        context.events({
          type: 'warning',
          stage,
          message: `Greedy decoding (temperature 0) gives ${config.samples_per_problem} identical samples per problem, and identical samples give no preference pairs. Use --temperature 0.7 or so.`,
        })
      }
      await writeConfigAtomic(run.path('generation_config.json'), { ...config, seed: input.seed, policy })
      const totals = new TraceTally()
      const outcome = await collectTraces(context.backend, {
        stage,
        path: run.path('traces.jsonl'),
        resume: run.state === 'resumed',
        problems,
        samplesPerProblem: config.samples_per_problem,
        sampling: config,
        seed: input.seed,
        policy,
        onRecord: (record) => totals.add(record),
        events: context.events,
        signal: context.signal,
      })
      return {
        ...totals.soFar,
        ...outcome,
        total_seconds: run.earlierSeconds + outcome.seconds,
        policy,
      }
    },
  )
}
