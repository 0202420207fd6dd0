import type { PolicyRef } from '../backends/backend.ts'
import { requireGeneration, type StageContext } from '../backends/context.ts'
import { runStage, type Timed, type Untimed } from '../backends/run-stage.ts'
import type { RolloutsConfig } from '../config/rollouts.ts'
import type { ArithmeticQuestion } from '../problems/arithmetic/question.ts'
import { ABEL_PROMPT_VERSION } from '../prompts/abel.ts'
import { rememberCounterfactuals } from '../regime-w/counterfactual.ts'
import { type ScoredGroup, scoredGroupSchema } from '../regime-w/group.ts'
import { rescore } from '../regime-w/rescore.ts'
import { writeConfigAtomic } from '../runs/atomic.ts'
import { fingerprintJson } from '../runs/fingerprint.ts'
import { readJsonl } from '../runs/jsonl.ts'
import { armsOf } from './arms.ts'
import { collectGroups, type CollectOutcome } from './collect.ts'
import { summariseRollouts, type RolloutTotals } from './summary.ts'

export interface RolloutsInput {
  /** Manifest and summary. */
  readonly dir: string
  /** The rollout file. */
  readonly path: string
  readonly stage?: string
  readonly config: RolloutsConfig
  readonly seed: number
  readonly questions: readonly ArithmeticQuestion[]
  readonly policy: PolicyRef
}

export interface RolloutsSummary extends RolloutTotals, CollectOutcome, Timed {
  readonly policy: PolicyRef
  readonly tokens_per_second: number
  /** Of this attempt and those before it. */
  readonly total_seconds: number
}

/** Answers of a policy to questions, one per arm, scored with a Regime W preset as each group completes. */
export async function runRollouts(context: StageContext, input: RolloutsInput): Promise<RolloutsSummary> {
  const { config, questions, policy } = input
  const { beta_coherence, beta_agreement, alpha_length } = config
  const stage = input.stage ?? 'rollouts'
  requireGeneration(context.backend, stage)
  const arms = armsOf(config)
  return runStage<Untimed<RolloutsSummary>>(
    context,
    {
      dir: input.dir,
      stage,
      config: { ...config, seed: input.seed, prompt: ABEL_PROMPT_VERSION },
      inputs: { questions: fingerprintJson(questions), policy: policy.fingerprint },
      files: [input.path],
    },
    async (run) => {
      if (config.arms > 1 && arms.every(({ temperature }) => temperature === 0)) {
        const message = `Greedy decoding (temperature 0) gives ${config.arms} identical answers per question, and identical answers give no preference pairs. Use --temperature 0.7 or so.`
        context.events({ type: 'warning', stage, message })
      }
      await writeConfigAtomic(run.path('generation_config.json'), {
        ...config,
        arms,
        seed: input.seed,
        policy,
      })
      // Scored while others are still being generated; the summary asks for them again, with every preset.
      const counterfactual = rememberCounterfactuals()
      const settings = { beta_coherence, beta_agreement, alpha_length }
      const outcome = await collectGroups(context.backend, {
        stage,
        path: input.path,
        resume: run.state === 'resumed',
        questions,
        arms,
        maxNewTokens: config.max_new_tokens,
        marker: config.marker,
        seed: input.seed,
        policy,
        toRecord: (group) => rescore(group, config.preset, settings, counterfactual),
        events: context.events,
        signal: context.signal,
      })
      const groups: ScoredGroup[] = []
      for await (const group of readJsonl(input.path, scoredGroupSchema)) groups.push(group)
      return {
        ...summariseRollouts(groups, arms, counterfactual),
        ...outcome,
        tokens_per_second: outcome.seconds > 0 ? outcome.generated_tokens / outcome.seconds : 0,
        total_seconds: run.earlierSeconds + outcome.seconds,
        policy,
      }
    },
  )
}
