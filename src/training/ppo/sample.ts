import { gradeOutput } from '../../answers/grade.ts'
import type { TrainingSession, Trajectory } from '../../backends/backend.ts'
import type { PpoConfig } from '../../config/ppo.ts'
import { ElenchusError } from '../../errors.ts'
import type { ArithmeticQuestion } from '../../problems/arithmetic/question.ts'
import { ABEL_RUN_ON, renderAbelPrompt } from '../../prompts/abel.ts'
import { deriveSeed } from '../../random.ts'
import { epochOrders } from '../batches.ts'

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

export interface Sampled {
  /** One per question that the model can take, in the order asked. */
  readonly groups: readonly (readonly SampledAnswer[])[]
  /** Names of the questions that leave no room for an answer. */
  readonly tooLong: readonly string[]
}

/**
 * Answers to questions `from` to `to` (exclusive) of the run, one group per question. The questions are gone
 * through in a new random order each time round; order and seeds depend on the place in the run only, so
 * that a resumed run samples what the killed one would have. Questions that are too long for the model are left
 * out, and named.
 *
 * @throws ElenchusError `protocol_violation` for an answer without ids: it could not be trained on.
 */
export async function sampleGroups(
  session: TrainingSession,
  { config, groupSize, questions, seed, signal }: Sampling,
  from: number,
  to: number,
): Promise<Sampled> {
  const orderOf = epochOrders(questions.length, seed)
  const asked = Array.from({ length: to - from }, (_, offset) => {
    const round = Math.floor((from + offset) / questions.length)
    return questions[orderOf(round)[(from + offset) % questions.length]!]!
  })
  const requests = asked.flatMap((question, offset) =>
    Array.from({ length: groupSize }, (_, sample) => ({
      key: String(offset * groupSize + sample),
      prompt: renderAbelPrompt(question.question),
      seed: deriveSeed(seed, 'answer', from + offset, sample),
    })),
  )
  const answers: SampledAnswer[] = Array.from({ length: requests.length })
  const tooLong = new Set<number>()
  const completions = session.generate(requests, {
    temperature: config.temperature,
    topP: config.top_p,
    maxNewTokens: config.max_new_tokens,
    stops: [ABEL_RUN_ON],
    ...(signal && { signal }),
  })
  for await (const { key, text, ids, logprobs, promptTokens, finishReason } of completions) {
    const index = Number(key)
    const offset = Math.floor(index / groupSize)
    const question = asked[offset]!
    if (finishReason === 'prompt_too_long') {
      tooLong.add(offset)
      continue
    }
    if (ids === undefined || ids.length === 0 || promptTokens === undefined) {
      throw new ElenchusError(
        'protocol_violation',
        `The backend gave an answer to "${question.question_id}" without ids or without the length of its prompt.`,
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
  const offsets = asked.map((_, offset) => offset)
  return {
    groups: offsets
      .filter((offset) => !tooLong.has(offset))
      .map((offset) => answers.slice(offset * groupSize, (offset + 1) * groupSize)),
    tooLong: offsets.filter((offset) => tooLong.has(offset)).map((offset) => asked[offset]!.question_id),
  }
}
