import * as z from 'zod'
import { type Grade, gradeOutput } from '../answers/grade.ts'
import type {
  Completion,
  GenerateOptions,
  GenerateRequest,
  ModelBackend,
  PolicyRef,
} from '../backends/backend.ts'
import type { ArithmeticQuestion } from '../problems/arithmetic/question.ts'
import { ABEL_RUN_ON, renderAbelPrompt } from '../prompts/abel.ts'
import { deriveSeed } from '../random.ts'
import type { EventSink } from '../runs/events.ts'
import { JsonlWriter, readJsonl } from '../runs/jsonl.ts'
import { OrderedWriter } from '../runs/ordered.ts'
import { type Arm, groupArms } from './arms.ts'

/**
 * Questions per round when arms differ in temperature or top-p and so take several calls: large enough to
 * fill several devices, small enough that a kill costs little.
 */
const QUESTIONS_PER_ROUND = 128

/** One graded answer, in the words of a rollout record. */
export type SampledAnswer = {
  full_text: string
  /** Absent where the backend has no ids. */
  completion_ids?: number[]
  answer: string | null
  num_tokens: number
  finish_reason: string
  correct: boolean
  arm: number
  seed: number
}

/** All answers to one question, by arm; a rollout group that is not scored yet. */
export type SampledGroup = {
  question_id: string
  question: string
  gold_answer: string
  prompt: string
  /** Absent where the backend does not know it. */
  prompt_tokens?: number
  policy: string
  trajectories: [SampledAnswer, ...SampledAnswer[]]
}

/** By which a record is known. */
const recordNameSchema = z.looseObject({ question_id: z.string() })

export interface CollectInput<Row> {
  readonly stage: string
  /** JSONL file with one record per question, in question order. */
  readonly path: string
  /** Continue behind the last whole record of an earlier attempt. */
  readonly resume: boolean
  readonly questions: readonly ArithmeticQuestion[]
  readonly arms: readonly Arm[]
  readonly maxNewTokens: number
  /** What stands before the final answer. */
  readonly marker: string
  readonly seed: number
  readonly policy: PolicyRef
  /** What records fit: those of an earlier attempt are read with it. */
  readonly schema: z.ZodType<Row>
  /** The record of a question whose answers are complete. */
  readonly toRecord: (group: SampledGroup, index: number) => Row
  readonly events: EventSink
  readonly signal?: AbortSignal | undefined
}

/** Of this attempt: what an earlier one had written is not in it. */
export interface CollectOutcome {
  readonly generated: number
  readonly generated_tokens: number
  readonly seconds: number
}

export interface Collected<Row> {
  readonly outcome: CollectOutcome
  /** All records of the file, in their order: reading back what was just written would hold up whoever comes next. */
  readonly records: readonly Row[]
  /** How many of them, the first ones, an earlier attempt had written. */
  readonly earlier: number
}

/**
 * Samples one answer per question and arm, grades each as it arrives, and writes a question's record when
 * its last arm is there. The seed of an answer depends on its question and arm only, so that what is made
 * again after a kill is what was lost.
 */
export async function collectGroups<Row>(
  backend: ModelBackend,
  input: CollectInput<Row>,
): Promise<Collected<Row>> {
  const { questions, arms, events, stage } = input
  const misplaced = (record: unknown, index: number): string | undefined => {
    const expected = questions[index]?.question_id
    if (expected === undefined) return `there are ${questions.length} records, and this is one more`
    const named = recordNameSchema.safeParse(record).data?.question_id === expected
    return named ? undefined : `the record of ${expected} belongs there`
  }
  await using writer = await JsonlWriter.open(input.path, { resume: input.resume, misplaced })
  const done = writer.existing
  const records: Row[] = []
  if (done > 0) for await (const record of readJsonl(input.path, input.schema)) records.push(record)
  // What overtakes a slow question waits here. The questions of a call are fixed, so the bound is their number.
  const ordered = new OrderedWriter(writer, { next: done, capacity: questions.length })
  const open = new Map<number, Answers>()
  const began = performance.now()
  let [count, tokens, correct, finished] = [0, 0, 0, done]
  for (const { arm, requests } of calls(input, done)) {
    for await (const completion of backend.generate(requests, generateOptions(input, arm))) {
      const { index, armIndex } = place(completion.key, arms.length)
      const question = questions[index]!
      const answers = open.get(index) ?? new Map<number, GradedCompletion>()
      open.set(index, answers)
      const graded = { completion, grade: gradeOutput(completion.text, question.gold_answer, input) }
      answers.set(armIndex, graded)
      count++
      tokens += completion.numTokens
      if (graded.grade.correct) correct++
      if (answers.size < arms.length) continue
      open.delete(index)
      const record = input.toRecord(toGroup(input, question, answers), index)
      records[index] = record
      await ordered.put(index, [record])
      finished++
      const metric = { name: 'correct', value: correct / count }
      events({ type: 'progress', stage, done: finished, total: questions.length, unit: 'questions', metric })
    }
  }
  await ordered.close()
  const seconds = (performance.now() - began) / 1000
  return { outcome: { generated: count, generated_tokens: tokens, seconds }, records, earlier: done }
}

interface GradedCompletion {
  readonly completion: Completion
  readonly grade: Grade
}

/** The answers to one question so far, by arm. */
type Answers = Map<number, GradedCompletion>

/** The calls of the backend: a single one if all arms sample alike, otherwise one per kind of arm and round. */
function* calls(
  input: CollectInput<unknown>,
  done: number,
): Generator<{ readonly arm: Arm; readonly requests: readonly GenerateRequest[] }> {
  const total = input.questions.length
  const kinds = groupArms(input.arms)
  const round = kinds.length === 1 ? total : QUESTIONS_PER_ROUND
  for (let start = done; start < total; start += round) {
    const end = Math.min(start + round, total)
    for (const { arm, indices } of kinds) yield { arm, requests: requestsOf(input, start, end, indices) }
  }
}

function requestsOf(
  input: CollectInput<unknown>,
  start: number,
  end: number,
  armIndices: readonly number[],
): GenerateRequest[] {
  return input.questions.slice(start, end).flatMap((question, offset) =>
    armIndices.map((armIndex) => ({
      key: String((start + offset) * input.arms.length + armIndex),
      prompt: renderAbelPrompt(question.question),
      seed: answerSeed(input.seed, question, armIndex),
    })),
  )
}

function place(key: string, arms: number): { index: number; armIndex: number } {
  return { index: Math.floor(Number(key) / arms), armIndex: Number(key) % arms }
}

function answerSeed(seed: number, question: ArithmeticQuestion, armIndex: number): number {
  return deriveSeed(seed, 'arm', armIndex, question.question_id)
}

function generateOptions(input: CollectInput<unknown>, arm: Arm): GenerateOptions {
  return {
    policy: input.policy,
    temperature: arm.temperature,
    topP: arm.topP,
    maxNewTokens: input.maxNewTokens,
    stops: [ABEL_RUN_ON],
    ...(input.signal && { signal: input.signal }),
  }
}

function toGroup(input: CollectInput<unknown>, question: ArithmeticQuestion, answers: Answers): SampledGroup {
  const [first, ...others] = [...answers].sort(([a], [b]) => a - b)
  if (first === undefined) throw new RangeError(`no answers to ${question.question_id}`)
  const { promptTokens } = first[1].completion
  const toAnswer = ([arm, graded]: [number, GradedCompletion]): SampledAnswer =>
    sampledAnswer(graded, arm, answerSeed(input.seed, question, arm))
  return {
    question_id: question.question_id,
    question: question.question,
    gold_answer: question.gold_answer,
    prompt: renderAbelPrompt(question.question),
    ...(promptTokens !== undefined && { prompt_tokens: promptTokens }),
    policy: input.policy.fingerprint,
    trajectories: [toAnswer(first), ...others.map(toAnswer)],
  }
}

function sampledAnswer({ completion, grade }: GradedCompletion, arm: number, seed: number): SampledAnswer {
  return {
    full_text: completion.text,
    ...(completion.ids && { completion_ids: [...completion.ids] }),
    answer: grade.prediction,
    num_tokens: completion.numTokens,
    finish_reason: completion.stopName ?? completion.finishReason,
    correct: grade.correct,
    arm,
    seed,
  }
}
