import { join } from 'node:path'
import type { PolicyRef, TrainingOptions, TrainTarget } from '../../backends/backend.ts'
import { type StageContext, requireTraining } from '../../backends/context.ts'
import { runStage, type Timed, type Untimed } from '../../backends/run-stage.ts'
import type { PpoConfig } from '../../config/ppo.ts'
import { ElenchusError } from '../../errors.ts'
import type { ArithmeticQuestion } from '../../problems/arithmetic/question.ts'
import { ABEL_PROMPT_VERSION } from '../../prompts/abel.ts'
import { writeConfigAtomic } from '../../runs/atomic.ts'
import { fingerprintJson } from '../../runs/fingerprint.ts'
import { trainWithRecovery } from '../recovery.ts'
import { loraOf, MEMORY_ONLY } from '../settings.ts'
import { runPpoLoop } from './loop.ts'
import type { IterationMetrics } from './metrics.ts'

export interface PpoInput {
  readonly dir: string
  readonly stage?: string
  readonly config: PpoConfig
  readonly seed: number
  readonly questions: readonly ArithmeticQuestion[]
  /** Start of training and, frozen, what the KL divergence is measured from. */
  readonly start: PolicyRef
}

export interface PpoSummary extends Timed {
  readonly algorithm: PpoConfig['algorithm']
  readonly iterations: number
  readonly questions: number
  readonly optimizer_steps: number
  /** Iterations that `target_kl` ended early. */
  readonly stopped_early: number
  /** Questions whose answers were all rewarded alike. */
  readonly groups_without_variance: number
  /** Questions that left no room for an answer, and were left out. */
  readonly questions_too_long: number
  readonly first: IterationMetrics
  readonly last: IterationMetrics
  readonly trainable_parameters: number
  /** Sampling, scoring and stepping, this attempt and those before it. */
  readonly seconds: number
  readonly policy: PolicyRef
}

/**
 * Reinforcement learning on pure correctness: sample from the policy as it is, grade, reward 1 or 0, estimate
 * advantages, step. PPO (Schulman et al. 2017), GRPO (Shao et al. 2024) and RLOO (Ahmadian et al. 2024) are
 * this one loop; see `advantages.ts`.
 *
 * @throws ElenchusError `config_invalid`, `capability_missing`, `guard_failed`, `non_finite`,
 *   `prompt_too_long` if no question fits the model, and those of stages.
 */
export async function runPpo(context: StageContext, input: PpoInput): Promise<PpoSummary> {
  const { config, seed, questions, start } = input
  const stage = input.stage ?? 'ppo'
  const { backend } = context
  requireTraining(backend, stage)
  checkPpo(config, questions, start.kind, stage)
  return runStage<Untimed<PpoSummary>>(
    context,
    {
      dir: input.dir,
      stage,
      config: { ...config, seed, prompt: ABEL_PROMPT_VERSION },
      inputs: { questions: fingerprintJson(questions), start: start.fingerprint },
      free: MEMORY_ONLY,
    },
    async (run) => {
      await writeConfigAtomic(run.path('ppo_config.json'), { ...config, seed })
      const { dtype } = await backend.info()
      const options: TrainingOptions = {
        algorithm: 'ppo',
        target: targetOf(config, start),
        optimizer: {
          betas: config.betas,
          eps: config.eps,
          weightDecay: config.weight_decay,
          maxGradNorm: config.max_grad_norm,
        },
        microBatchTokens: config.micro_batch_tokens,
        gradientCheckpointing: config.gradient_checkpointing,
        valueHead: config.algorithm === 'ppo',
        seed,
        ...(context.signal && { signal: context.signal }),
      }
      return trainWithRecovery(
        context,
        { stage, dir: input.dir },
        options,
        async (session): Promise<Untimed<PpoSummary>> => {
          const outcome = await runPpoLoop({
            context,
            stage,
            dir: input.dir,
            session,
            config,
            seed,
            questions,
            // Where every weight is trained, the start is gone after the first step.
            reference: config.lora === null ? null : start,
            dtype,
          })
          return {
            algorithm: config.algorithm,
            ...outcome,
            trainable_parameters: session.trainableParameters,
            policy: await session.save(join(input.dir, 'final')),
          }
        },
      )
    },
  )
}

function targetOf(config: PpoConfig, start: PolicyRef): TrainTarget {
  if (config.lora === null) return { kind: 'full' }
  if (start.kind === 'adapter') return { kind: 'adapter', policy: start }
  return { kind: 'new-adapter', lora: loraOf(config.lora) }
}

/**
 * Refuses settings that each make sense alone and not together, and to train on nothing.
 * @throws ElenchusError what {@link runPpo} would refuse.
 */
export function checkPpo(
  config: PpoConfig,
  questions: readonly unknown[],
  start: PolicyRef['kind'],
  stage: string,
): void {
  if (questions.length === 0) {
    throw new ElenchusError('record_invalid', `${stage}: there are no questions to train on.`)
  }
  const refuse = (message: string): never => {
    throw new ElenchusError('config_invalid', `${stage}: ${message}`)
  }
  if (config.lora === null && config.kl_coef > 0) {
    refuse('kl_coef above 0 needs the frozen start, which training every weight (lora: null) destroys.')
  }
  if (config.lora === null && start === 'adapter') refuse('lora: null trains a base, not an adapter.')
  if (config.lora !== null && config.lora.dropout > 0) {
    refuse('dropout makes the first ratio differ from 1; set lora.dropout to 0.')
  }
  if (config.algorithm !== 'ppo' && config.group_size === 1) {
    refuse(`${config.algorithm} compares the answers to a question; group_size 1 leaves nothing to compare.`)
  }
  if (config.algorithm !== 'ppo' && config.value_warmup > 0) {
    refuse(`value_warmup trains a critic, which ${config.algorithm} does not have.`)
  }
}
