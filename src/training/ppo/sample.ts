import { gradeOutput } from '../../answers/grade.ts'
import type { TrainingSession, Trajectory } from '../../backends/backend.ts'
import type { PpoConfig } from '../../config/ppo.ts'
import { ElenchusError } from '../../errors.ts'
import type { ArithmeticQuestion } from '../../problems/arithmetic/question.ts'
import { ABEL_RUN_ON, renderAbelPrompt } from '../../prompts/abel.ts'
import { deriveSeed } from '../../random.ts'
import { epochOrder } from '../batches.ts'

/** A graded answer of the policy in training. */
export interface SampledAnswer {
  readonly trajectory: Trajectory
  readonly promptTokens: number
  /** As the engine saw them while sampling. */
  readonly engineLogprobs: Float32Array | undefined
  readonly correct: boolean
  readonly answered: boolean
  /** Whether it ended by itself, with the end-of-sequence token. */
  readonly ended: boolean
  /** 1 for a correct answer, otherwise 0; less the penalty where the end is missing. */
  readonly reward: number
}

export interface Sampling {
  readonly config: PpoConfig
  readonly groupSize: number
  readonly questions: readonly ArithmeticQuestion[]
  readonly seed: number
  readonly signal: AbortSignal | undefined
}

/**
 * Answers to questions `from` to `to` (exclusive) of the run, one group per question. The questions are gone
 * through in a new random order each time round; order and seeds depend on the place in the run only, so
 * that a resumed run samples what the killed one would have.
 *
 * @throws ElenchusError `prompt_too_long` if the model cannot take a question.
 */
export async function sampleGroups(
  session: TrainingSession,
  { config, groupSize, questions, seed, signal }: Sampling,
  from: number,
  to: number,
): Promise<SampledAnswer[][]> {
  const asked = Array.from({ length: to - from }, (_, offset) => questionAt(questions, seed, from + offset))
  const requests = asked.flatMap((question, offset) =>
    Array.from({ length: groupSize }, (_, sample) => ({
      key: String(offset * groupSize + sample),
      prompt: renderAbelPrompt(question.question),
      seed: deriveSeed(seed, 'answer', from + offset, sample),
    })),
  )
  const answers: SampledAnswer[] = Array.from({ length: requests.length })
  const completions = session.generate(requests, {
    temperature: config.temperature,
    topP: config.top_p,
    maxNewTokens: config.max_new_tokens,
    stops: [ABEL_RUN_ON],
    ...(signal && { signal }),
  })
  for await (const { key, text, ids, logprobs, promptTokens, finishReason } of completions) {
    const index = Number(key)
    const question = asked[Math.floor(index / groupSize)]!
    if (finishReason === 'prompt_too_long' || ids === undefined || ids.length === 0) {
      throw new ElenchusError(
        'prompt_too_long',
        `The question "${question.question_id}" leaves no room for an answer (${promptTokens} tokens).`,
      )
    }
    const { correct, answered } = gradeOutput(text, question.gold_answer, config)
    const ended = finishReason === 'eos'
    answers[index] = {
      trajectory: { prompt: renderAbelPrompt(question.question), ids },
      promptTokens,
      engineLogprobs: logprobs,
      correct,
      answered,
      ended,
      reward: (correct ? 1 : 0) - (ended ? 0 : config.missing_eos_penalty),
    }
  }
  return asked.map((_, offset) => answers.slice(offset * groupSize, (offset + 1) * groupSize))
}

function questionAt(
  questions: readonly ArithmeticQuestion[],
  seed: number,
  place: number,
): ArithmeticQuestion {
  const round = Math.floor(place / questions.length)
  return questions[epochOrder(questions.length, seed, round)[place % questions.length]!]!
}
