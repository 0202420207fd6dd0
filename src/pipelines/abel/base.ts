import { join } from 'node:path'
import type { SftExample } from '../../backends/backend.ts'
import type { AbelConfig, HabitsConfig } from '../../config/abel.ts'
import { demonstrateArithmetic } from '../../problems/arithmetic/demonstrations.ts'
import type { ArithmeticQuestion } from '../../problems/arithmetic/question.ts'
import { deriveSeed } from '../../random.ts'
import { fingerprintJson } from '../../runs/fingerprint.ts'
import { runSft, type SftSummary } from '../../training/sft.ts'
import { makeTinyModel } from '../../training/tiny-model.ts'
import { type PipelineContext, type Weights, weightsAfter } from '../weights.ts'
import type { AbelData } from './data.ts'
import { abelLayout } from './layout.ts'

/** Pre-training sees worked solutions only, terse and wordy. */
const WORKED = { bare_share: 0, wordy_share: 0.5 }

/** Where the pipeline begins. */
export interface AbelBase {
  readonly weights: Weights
  /** The training on the mix of habits, where the base was made on the spot. */
  readonly habits: SftSummary | null
}

/** The given model, or one made on the spot: drilled, pre-trained on worked solutions, then given its habits. */
export async function prepareAbelBase(
  context: PipelineContext,
  config: AbelConfig,
  data: AbelData,
): Promise<AbelBase> {
  const { model, habits } = config
  if ('path' in model) {
    await context.backend.switchModel(model.path)
    return { weights: await currentBase(context, model.path), habits: null }
  }
  const dir = abelLayout(config.output).base
  const made = await makeTinyModel(context, {
    dir,
    config: model.tiny,
    seed: deriveSeed(config.seed, 'base'),
    pretraining: demonstrations(data.pretraining, WORKED, config.seed),
    // Nothing of the held-out questions: what has no token there falls back to bytes.
    vocabularyTexts: [...data.habits, ...data.train].map(({ question, answer }) => `${question}\n${answer}`),
    dataFingerprint: fingerprintJson([data.pretraining, data.habits, data.train]),
  })
  const weights = await currentBase(context, made)
  if (habits === undefined) return { weights, habits: null }
  const habitsDir = join(dir, 'habits')
  const summary = await trainHabits(context, {
    dir: habitsDir,
    stage: 'base/habits',
    habits,
    questions: data.habits,
    seed: config.seed,
    start: weights,
  })
  return { weights: weightsAfter(weights, habitsDir, summary), habits: summary }
}

/** SFT of all weights on the mix of habits; also the control, which continues it. */
export async function trainHabits(
  context: PipelineContext,
  input: {
    readonly dir: string
    readonly stage: string
    readonly habits: HabitsConfig
    readonly questions: readonly ArithmeticQuestion[]
    readonly seed: number
    readonly start: Weights
    /** Absent: what the habits say. */
    readonly maxSteps?: number
  },
): Promise<SftSummary> {
  const { dir, stage, habits, questions, seed, start, maxSteps } = input
  await context.backend.switchModel(start.model)
  return runSft(context, {
    dir,
    stage,
    config: { ...habits.training, lora: null, ...(maxSteps !== undefined && { max_steps: maxSteps }) },
    seed: deriveSeed(seed, stage),
    examples: demonstrations(questions, habits, seed),
    dataFingerprint: fingerprintJson(questions),
    start: start.policy,
  })
}

function demonstrations(
  questions: readonly ArithmeticQuestion[],
  mix: Pick<HabitsConfig, 'bare_share' | 'wordy_share'>,
  seed: number,
): SftExample[] {
  const options = { bareShare: mix.bare_share, wordyShare: mix.wordy_share, seed }
  return questions.map((question) => demonstrateArithmetic(question, options))
}

async function currentBase({ backend }: PipelineContext, model: string): Promise<Weights> {
  const { fingerprint } = await backend.info()
  return { model, policy: { kind: 'base', fingerprint } }
}
