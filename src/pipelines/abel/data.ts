import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { AbelConfig, QuestionSource } from '../../config/abel.ts'
import { generateQuestions } from '../../problems/arithmetic/generate.ts'
import type { ArithmeticQuestion } from '../../problems/arithmetic/question.ts'
import type { Split } from '../../problems/generator/generate.ts'
import { deriveSeed } from '../../random.ts'
import { writeJsonl } from '../../runs/jsonl.ts'
import { loadQuestions } from '../question-files.ts'
import { abelLayout } from './layout.ts'

/** The question sets of a run. */
export interface AbelData {
  /** Pre-training and habits of a model made on the spot; empty for a given model. */
  readonly pretraining: readonly ArithmeticQuestion[]
  readonly habits: readonly ArithmeticQuestion[]
  readonly train: readonly ArithmeticQuestion[]
  readonly heldOut: readonly ArithmeticQuestion[]
}

/** Reads or generates the questions, and writes those that are sampled to the run directory. */
export async function prepareAbelData(config: AbelConfig): Promise<AbelData> {
  const layout = abelLayout(config.output)
  const train = await resolve(config, 'gsm8k_train', config.data.train, 'train')
  const heldOut = await resolve(config, 'gsm8k_platinum', config.data.held_out, 'held_out')
  await mkdir(dirname(layout.train), { recursive: true })
  await writeJsonl(layout.train, train)
  await writeJsonl(layout.heldOut, heldOut)
  const { model, habits } = config
  return {
    pretraining:
      'tiny' in model ? generate(config, 'pretraining', model.tiny.pretraining.problems, 'sft') : [],
    habits: habits === undefined ? [] : generate(config, 'habits', habits.questions, 'sft'),
    train,
    heldOut,
  }
}

async function resolve(
  config: AbelConfig,
  name: string,
  source: QuestionSource,
  split: Split,
): Promise<readonly ArithmeticQuestion[]> {
  if ('count' in source) return generate(config, name, source.count, split)
  return loadQuestions(source.files, { name, overlay: source.platinum_overlay })
}

function generate(config: AbelConfig, name: string, count: number, split: Split): ArithmeticQuestion[] {
  const { steps, max_operand: maxOperand, max_result: maxResult } = config.data.generator
  const seed = deriveSeed(config.seed, 'data', name)
  return generateQuestions({ count, seed, split, name, steps, maxOperand, maxResult })
}
