import { ElenchusError } from '../../errors.ts'
import { renderAbelPrompt } from '../../prompts/abel.ts'
import { deriveSeed, Rng } from '../../random.ts'
import type { ArithmeticQuestion } from './question.ts'
import { renderSolution } from './solution.ts'

export interface ArithmeticDemonstrationOptions {
  /** Share of the demonstrations that give the answer without any work, in [0, 1]. */
  readonly bareShare: number
  /** Share of the worked ones that are wordy rather than terse, in [0, 1]. */
  readonly wordyShare: number
  readonly seed: number
}

/**
 * A demonstration for supervised training. Bare answers are a planted imperfection, for a model that is
 * trained on the spot: it learns to work problems out and also to guess, and which of the two pays is left
 * for PPO to find. The style depends on the seed and the question's name only.
 * @throws ElenchusError `record_invalid` for a question that was not generated: only those can be rendered
 *   anew.
 */
export function demonstrateArithmetic(
  question: ArithmeticQuestion,
  options: ArithmeticDemonstrationOptions,
): { prompt: string; completion: string } {
  if (question.steps === undefined) {
    throw new ElenchusError('record_invalid', `Question ${question.question_id} has no steps to render.`)
  }
  const rng = new Rng(deriveSeed(options.seed, 'arithmetic demonstration', question.question_id))
  const bare = rng.next() < options.bareShare
  const wordy = rng.next() < options.wordyShare
  const style = bare ? 'bare' : wordy ? 'wordy' : 'terse'
  return { prompt: renderAbelPrompt(question.question), completion: renderSolution(question.steps, style) }
}
