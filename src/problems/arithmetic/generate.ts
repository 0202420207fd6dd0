import { ElenchusError } from '../../errors.ts'
import { deriveSeed, Rng } from '../../random.ts'
import { SPLITS } from '../generator/generate.ts'
import type { Split } from '../generator/generate.ts'
import type { ArithmeticQuestion, ArithmeticStep } from './question.ts'
import { renderSolution } from './solution.ts'
import type { SolutionStyle } from './solution.ts'
import { tellStory } from './stories.ts'
import type { Story } from './stories.ts'

export interface ArithmeticGeneratorOptions {
  readonly count: number
  /** Any safe integer. Question i does not depend on `count`. */
  readonly seed: number
  readonly split: Split
  /** Numbers of steps of the solutions, in turn. @default [1, 2, 3, 4] */
  readonly steps?: readonly number[]
  /** Style of `answer`; `mixed` is terse or wordy, half and half. @default 'mixed' */
  readonly style?: SolutionStyle | 'mixed'
  /** Largest number that a question states. @default 12 */
  readonly maxOperand?: number
  /** Largest result of a step. @default 99 */
  readonly maxResult?: number
  /** Start of every `question_id`. @default the split */
  readonly name?: string
}

/** Draws for one question before the settings are held to admit no further one. */
const MAX_DRAWS = 5000

/**
 * Arithmetic word problems with GSM8K-style solutions: distinct, deterministic, results positive integers.
 *
 * Splits share no calculation (the numbers and operations of a solution, whatever story is told about it):
 * its hash decides to which split a calculation belongs, whatever the seeds and other settings.
 * @throws ElenchusError `config_invalid` if the settings make no sense, or admit fewer questions than asked
 *   for.
 */
export function generateQuestions(options: ArithmeticGeneratorOptions): ArithmeticQuestion[] {
  const settings = {
    steps: [1, 2, 3, 4],
    style: 'mixed' as const,
    maxOperand: 12,
    maxResult: 99,
    name: options.split,
    ...options,
  }
  check(settings)
  const seen = new Set<string>()
  return Array.from({ length: settings.count }, (_, index) => {
    const rng = new Rng(deriveSeed(settings.seed, 'arithmetic', settings.split, index))
    const { text, steps } = nextStory(settings, settings.steps[index % settings.steps.length]!, rng, seen)
    const drawn = rng.next() < 0.5 ? 'terse' : 'wordy'
    const style = settings.style === 'mixed' ? drawn : settings.style
    return {
      question_id: `${settings.name}-${index}`,
      question: text,
      answer: renderSolution(steps, style),
      gold_answer: String(steps.at(-1)?.result),
      steps: [...steps],
    }
  })
}

type Settings = Required<ArithmeticGeneratorOptions>

function check({ count, steps, maxOperand, maxResult }: Settings): void {
  const refuse = (message: string): never => {
    throw new ElenchusError('config_invalid', message)
  }
  if (!Number.isSafeInteger(count) || count < 0) refuse(`"count" is a number of questions, not ${count}.`)
  if (steps.length === 0 || !steps.every((n) => Number.isInteger(n) && n >= 1)) {
    refuse(`"steps" lists positive integers, not [${steps.join(', ')}].`)
  }
  if (!Number.isSafeInteger(maxOperand) || maxOperand < 2) {
    refuse(`"max_operand" is an integer of at least 2, not ${maxOperand}.`)
  }
  if (!Number.isSafeInteger(maxResult) || maxResult < maxOperand) {
    refuse(`"max_result" is an integer of at least "max_operand" (${maxOperand}), not ${maxResult}.`)
  }
}

function nextStory(settings: Settings, steps: number, rng: Rng, seen: Set<string>): Story {
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const story = tellStory(steps, settings, rng)
    if (story === null || splitOf(story.steps) !== settings.split || seen.has(story.text)) continue
    seen.add(story.text)
    return story
  }
  throw new ElenchusError(
    'config_invalid',
    `The settings admit only ${seen.size} of the ${settings.count} questions of split "${settings.split}".`,
    { hint: 'Raise "max_operand" or "max_result", allow more steps, or ask for fewer questions.' },
  )
}

/** The split that a calculation belongs to. */
export function splitOf(steps: readonly ArithmeticStep[]): Split {
  const calculation = steps.map(({ left, operator, right }) => `${left}${operator}${right}`).join(';')
  return SPLITS[deriveSeed(0, 'arithmetic split', calculation) % SPLITS.length] ?? 'train'
}
