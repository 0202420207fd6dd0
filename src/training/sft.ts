import { join } from 'node:path'
import type { PolicyRef, SftExample, TrainingOptions, TrainTarget } from '../backends/backend.ts'
import type { DemonstrationsConfig, PlainSftConfig } from '../config/training.ts'
import { type StageContext, requireTraining } from '../backends/context.ts'
import { runStage, type Timed, type Untimed } from '../backends/run-stage.ts'
import { ElenchusError } from '../errors.ts'
import { writeConfigAtomic } from '../runs/atomic.ts'
import { batchesOf, totalSteps } from './batches.ts'
import { runTrainingLoop } from './loop.ts'
import type { TrainingOutcome } from './loop.ts'
import { trainWithRecovery } from './recovery.ts'
import { loraOf, MEMORY_ONLY, optimizerOf, pick } from './settings.ts'

export interface SftInput {
  readonly dir: string
  readonly stage?: string
  /** `demonstrations`, where they were rendered by these settings, are recorded with the run. */
  readonly config: PlainSftConfig & { readonly demonstrations?: DemonstrationsConfig }
  readonly seed: number
  readonly examples: readonly SftExample[]
  /** Fingerprint of the data that `examples` were made from. */
  readonly dataFingerprint: string
  /** The policy that training starts from. */
  readonly start: PolicyRef
}

export interface SftSummary extends TrainingOutcome, Timed {
  readonly examples: number
  readonly trainable_parameters: number
  readonly policy: PolicyRef
}

/** @throws ElenchusError what {@link runSft} would refuse. */
export function checkSft(examples: readonly unknown[], stage: string): void {
  if (examples.length > 0) return
  throw new ElenchusError('record_invalid', `${stage}: there are no demonstrations to train on.`, {
    hint: 'SFT needs problems with a `gold` proof; `elenchus data convert` adds them.',
  })
}

/** Supervised fine-tuning on demonstrations: mean cross-entropy of the completion tokens, end of text included. */
export async function runSft(context: StageContext, input: SftInput): Promise<SftSummary> {
  const { config, examples, seed } = input
  const stage = input.stage ?? 'sft'
  requireTraining(context.backend, stage)
  checkSft(examples, stage)
  return runStage<Untimed<SftSummary>>(
    context,
    {
      dir: input.dir,
      stage,
      config: { ...config, seed },
      inputs: { data: input.dataFingerprint, start: input.start.fingerprint },
      free: MEMORY_ONLY,
    },
    async (run) => {
      await writeConfigAtomic(run.path('sft_config.json'), { ...config, seed })

      const batch = config.batch_size * config.gradient_accumulation_steps
      const total = totalSteps(examples.length, batch, config)
      const indicesOf = batchesOf(examples.length, batch, seed)
      const options: TrainingOptions = {
        algorithm: 'sft',
        target: sftTarget(config, input.start),
        optimizer: optimizerOf(config),
        microBatchTokens: config.micro_batch_tokens,
        gradientCheckpointing: config.gradient_checkpointing,
        seed,
        ...(context.signal && { signal: context.signal }),
      }
      return trainWithRecovery(
        context,
        { stage, dir: input.dir },
        options,
        async (session): Promise<Untimed<SftSummary>> => {
          const outcome = await runTrainingLoop({
            stage,
            dir: input.dir,
            session,
            config,
            total,
            batchAt: (step) => ({
              kind: 'sft',
              examples: pick(examples, indicesOf(step)),
              maxLength: config.max_length,
            }),
            events: context.events,
            signal: context.signal,
          })
          return {
            ...outcome,
            examples: examples.length,
            trainable_parameters: session.trainableParameters,
            policy: await session.save(join(input.dir, 'final')),
          }
        },
      )
    },
  )
}

function sftTarget(config: PlainSftConfig, start: PolicyRef): TrainTarget {
  if (config.lora === null) return { kind: 'full' }
  if (start.kind === 'adapter') return { kind: 'adapter', policy: start }
  return { kind: 'new-adapter', lora: loraOf(config.lora) }
}
