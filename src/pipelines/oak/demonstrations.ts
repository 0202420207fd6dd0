import type { SftExample } from '../../backends/backend.ts'
import type { DemonstrationsConfig } from '../../config/training.ts'
import { demonstrate } from '../../problems/demonstrations.ts'
import type { Problem } from '../../problems/problem.ts'
import { renderProofPrompt, renderStep } from '../../prompts/proof.ts'

/** Demonstrations as SFT examples. Problems without a gold proof give none. */
export function sftExamples(
  problems: readonly Problem[],
  config: DemonstrationsConfig,
  seed: number,
): SftExample[] {
  return problems.flatMap((problem) => {
    if (problem.gold === undefined) return []
    const steps = demonstrate(problem, {
      carelessShare: config.careless_share,
      swapShare: config.swap_share,
      guessShare: config.guess_share,
      guessAfter: config.guess_after,
      seed,
    })
    return {
      prompt: renderProofPrompt(problem),
      completion: steps.map((step) => renderStep(step.thought, step.action)).join(''),
    }
  })
}
