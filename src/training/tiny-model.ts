import { join } from 'node:path'
import type { ModelBackend, SftExample, TrainingOptions } from '../backends/backend.ts'
import { type StageContext, requireTraining } from '../backends/context.ts'
import { runStage } from '../backends/run-stage.ts'
import type { TinyModelConfig } from '../config/model.ts'
import { writeJsonl } from '../runs/jsonl.ts'
import { drillBatch } from './drill.ts'
import { runTrainingLoop, type TrainingOutcome } from './loop.ts'
import { trainWithRecovery } from './recovery.ts'
import { runSft } from './sft.ts'

/** What a backend must offer, besides training, to make a model on the spot. */
export interface ModelMaker extends ModelBackend {
  /** Trains a tokenizer on a file of texts and writes a freshly initialised model. */
  createTinyModel(options: {
    readonly path: string
    readonly textsPath: string
    readonly phrasePatterns: readonly string[]
    readonly architecture: TinyModelConfig['architecture']
    readonly seed: number
  }): Promise<{ readonly vocabSize: number; readonly firstPhraseId: number }>
  /** Makes another folder or hub name the base of this backend; the workers stay. */
  switchModel(model: string): Promise<void>
}

export interface TinyModelInput {
  readonly dir: string
  readonly config: TinyModelConfig
  readonly seed: number
  /** Demonstrations of the pre-training. */
  readonly pretraining: readonly SftExample[]
  /** Further texts whose phrases deserve a token. */
  readonly vocabularyTexts: readonly string[]
  readonly dataFingerprint: string
}

/**
 * The embedded default's base model: a tokenizer and a small Llama made on the spot, a copy drill where one is
 * set, and supervised pre-training, all weights. Afterwards the backend's base is the model in the returned folder.
 */
export async function makeTinyModel(
  context: StageContext & { readonly backend: ModelMaker },
  input: TinyModelInput,
): Promise<string> {
  const fresh = await createModel(context, input)
  const dir = join(input.dir, 'pretraining')
  await context.backend.switchModel(fresh)
  const { fingerprint } = await context.backend.info()
  await runSft(context, {
    dir,
    stage: 'base/pretraining',
    config: input.config.pretraining.training,
    seed: input.seed,
    examples: input.pretraining,
    dataFingerprint: input.dataFingerprint,
    start: { kind: 'base', fingerprint },
  })
  const model = join(dir, 'final')
  await context.backend.switchModel(model)
  return model
}

/** Creates the model and drills it in copying, if it is to be. Returns the folder of the weights. */
async function createModel(
  context: StageContext & { readonly backend: ModelMaker },
  input: TinyModelInput,
): Promise<string> {
  const { config, seed } = input
  const { drill } = config
  const stage = 'base/drill'
  const dir = join(input.dir, 'drill')
  requireTraining(context.backend, stage)
  const initial = join(dir, 'initial')
  const model = drill === undefined ? initial : join(dir, 'final')
  const spec = {
    dir,
    stage,
    config: { architecture: config.architecture, phrase_patterns: config.phrase_patterns, drill, seed },
    inputs: { data: input.dataFingerprint },
  }
  await runStage(context, spec, async (run) => {
    const textsPath = run.path('texts.jsonl')
    await writeJsonl(textsPath, [
      ...input.pretraining.map((example) => example.prompt + example.completion),
      ...input.vocabularyTexts,
    ])
    const { vocabSize, firstPhraseId } = await context.backend.createTinyModel({
      path: initial,
      textsPath,
      phrasePatterns: config.phrase_patterns,
      architecture: config.architecture,
      seed,
    })
    if (drill === undefined) return { model }
    // Phrases only: the bytes of the alphabet are what text falls back to, not what proofs are made of.
    const ids = Array.from({ length: vocabSize - firstPhraseId }, (_, index) => firstPhraseId + index)
    await context.backend.switchModel(initial)
    const outcome = await runDrill(context, { stage, dir, drill, seed, ids })
    return { ...outcome, model }
  })
  return model
}

/** Trains every weight of the base in copying, and saves it as `final`. */
async function runDrill(
  context: StageContext,
  {
    stage,
    dir,
    drill,
    seed,
    ids,
  }: {
    readonly stage: string
    readonly dir: string
    readonly drill: NonNullable<TinyModelConfig['drill']>
    readonly seed: number
    readonly ids: readonly number[]
  },
): Promise<TrainingOutcome> {
  const options: TrainingOptions = {
    algorithm: 'sft',
    target: { kind: 'full' },
    optimizer: { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
    microBatchTokens: 1 << 20,
    gradientCheckpointing: false,
    seed,
    ...(context.signal && { signal: context.signal }),
  }
  return trainWithRecovery(context, { stage, dir }, options, async (session) => {
    const trained = await runTrainingLoop({
      stage,
      dir,
      session,
      config: { ...drill, schedule: 'constant', save_every: 0, keep_checkpoints: 1 },
      total: drill.steps,
      batchAt: (step) => drillBatch(drill, { ids, seed, step }),
      events: context.events,
      signal: context.signal,
    })
    await session.save(join(dir, 'final'))
    return trained
  })
}
