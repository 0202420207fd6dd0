import type { PolicyRef } from '../backends/backend.ts'
import { requireGeneration, type StageContext } from '../backends/context.ts'
import { runStage, type Timed, type Untimed } from '../backends/run-stage.ts'
import type { RolloutsConfig } from '../config/rollouts.ts'
import type { ArithmeticQuestion } from '../problems/arithmetic/question.ts'
import { ABEL_PROMPT_VERSION } from '../prompts/abel.ts'
import { type ScoredGroup, scoredGroupSchema } from '../regime-w/group.ts'
import { writeConfigAtomic } from '../runs/atomic.ts'
import { fingerprintJson } from '../runs/fingerprint.ts'
import { readJsonl } from '../runs/jsonl.ts'
import { armsOf } from './arms.ts'
import { collectGroups, type CollectOutcome } from './collect.ts'
import { summariseRollouts, type RolloutTotals } from './summary.ts'
import { ToldApartByPreset } from './told-apart.ts'

export interface RolloutsInput {
  /** Manifest and summary. */
  readonly dir: string
  /** The rollout file. */
  readonly path: string
  readonly stage?: string
  readonly config: RolloutsConfig
  readonly seed: number
  readonly questions: readonly ArithmeticQuestion[]
  /** Of the questions, where the caller has it already. */
  readonly questionsFingerprint?: string
  readonly policy: PolicyRef
}

export interface RolloutsSummary extends RolloutTotals, CollectOutcome, Timed {
  readonly policy: PolicyRef
  /** Of this attempt and those before it. */
  readonly total_seconds: number
}

export interface Rollouts {
  readonly summary: RolloutsSummary
  /** The records of the rollout file, in their order. */
  readonly groups: readonly ScoredGroup[]
}

/** Answers of a policy to questions, one per arm, scored with a Regime W preset as each group completes. */
export async function runRollouts(context: StageContext, input: RolloutsInput): Promise<RolloutsSummary> {
  return rollOut(context, input, () => undefined)
}

/** {@link runRollouts} for whoever goes on with the groups. */
export async function runRolloutsForGroups(context: StageContext, input: RolloutsInput): Promise<Rollouts> {
  let groups: readonly ScoredGroup[] | undefined
  const summary = await rollOut(context, input, (made) => (groups = made))
  if (groups === undefined) {
    // The stage was finished before.
    const stored: ScoredGroup[] = []
    for await (const group of readJsonl(input.path, scoredGroupSchema)) stored.push(group)
    groups = stored
  }
  return { summary, groups }
}

async function rollOut(
  context: StageContext,
  input: RolloutsInput,
  made: (groups: readonly ScoredGroup[]) => void,
): Promise<RolloutsSummary> {
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
      inputs: {
        questions: input.questionsFingerprint ?? fingerprintJson(questions),
        policy: policy.fingerprint,
      },
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
      // Scored while others are still being generated, with every preset: the summary tells what each tells apart.
      const toldApart = new ToldApartByPreset()
      const settings = { beta_coherence, beta_agreement, alpha_length }
      const { outcome, records, earlier } = await collectGroups(context.backend, {
        stage,
        path: input.path,
        resume: run.state === 'resumed',
        questions,
        arms,
        maxNewTokens: config.max_new_tokens,
        marker: config.marker,
        seed: input.seed,
        policy,
        schema: scoredGroupSchema,
        toRecord: (group) => toldApart.score(group, config.preset, settings),
        events: context.events,
        signal: context.signal,
      })
      for (const group of records.slice(0, earlier)) toldApart.score(group, config.preset, settings)
      made(records)
      return {
        ...summariseRollouts(records, arms, toldApart.soFar),
        ...outcome,
        total_seconds: run.earlierSeconds + outcome.seconds,
        policy,
      }
    },
  )
}
