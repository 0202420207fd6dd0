import PQueue from 'p-queue'
import * as z from 'zod'
import type {
  Completion,
  GenerateOptions,
  GenerateRequest,
  ModelBackend,
  PolicyRef,
  Stop,
} from '../backends/backend.ts'
import type { SamplingConfig } from '../config/sampling.ts'
import type { Problem } from '../problems/problem.ts'
import { renderProofPrompt } from '../prompts/proof.ts'
import { deriveSeed } from '../random.ts'
import type { EventSink } from '../runs/events.ts'
import { JsonlWriter, readJsonl } from '../runs/jsonl.ts'
import { OrderedWriter } from '../runs/ordered.ts'
import { type JudgedTrace, type TraceRecord, traceRecordSchema } from './record.ts'
import { type BackgroundJudge, openJudge } from './threaded-judge.ts'

/** Generation ends with the CONCLUDE step: text after it does not exist. */
const CONCLUDE_STOP: Stop = { name: 'conclude', pattern: 'Action:[^\\n]*CONCLUDE[^\\n]*\\n', count: 1 }
/** Ends of Thoughts and of Actions: between two of them `max_thought_tokens` may pass. */
const SEGMENT_BOUNDARY = 'Action:|/>\\n'

/** Completions that the judge or the writer has in hand at once, and those that may wait behind them. */
const MAX_JUDGING = 64
const MAX_WAITING = 1024

/** By which a record is known. */
const recordNameSchema = z.looseObject({ problem_id: z.string(), sample_idx: z.number() })

export interface CollectInput {
  readonly stage: string
  /** JSONL file of trace records: samples of a problem together, in problem order. */
  readonly path: string
  /** Continue behind the last whole record of an earlier attempt. */
  readonly resume: boolean
  readonly problems: readonly Problem[]
  readonly samplesPerProblem: number
  readonly sampling: SamplingConfig
  /** Samples of all problems differ by seeds derived from this one. */
  readonly seed: number
  readonly policy: PolicyRef
  /** Adds the fields by which evaluation rows are known: index, gold, prediction, output. */
  readonly asEvaluationRow?: boolean
  /**
   * Told every record of the file in its order, those of an earlier attempt included, when it is written: to read all
   * back afterwards would hold up whoever comes next.
   */
  readonly onRecord: (record: TraceRecord) => void
  readonly events: EventSink
  readonly signal?: AbortSignal | undefined
}

export interface CollectOutcome {
  /** Of this attempt: what an earlier one had written is not in it. */
  readonly generated: number
  readonly generated_tokens: number
  readonly seconds: number
  /** Spent in the judge, on its own thread, while the workers went on. */
  readonly judge_seconds: number
}

/**
 * Samples from a policy, judges each completion as it arrives, and writes the records in problem order.
 * Continues behind the last whole record of an earlier attempt; a record's seed depends on its problem and
 * sample only, so that what is made again is what was lost.
 */
export async function collectTraces(backend: ModelBackend, input: CollectInput): Promise<CollectOutcome> {
  const { problems, samplesPerProblem: samples, events, stage } = input
  const total = problems.length * samples
  const misplaced = (record: unknown, index: number): string | undefined => {
    if (index >= total) return `there are ${total} records, and this is one more`
    const { problem, sample } = place(problems, samples, index)
    const named = recordNameSchema.safeParse(record).data
    if (named?.problem_id === problem.problem_id && named.sample_idx === sample) return undefined
    return `sample ${sample} of ${problem.problem_id} belongs there`
  }
  await using writer = await JsonlWriter.open(input.path, { resume: input.resume, misplaced })
  const done = writer.existing
  if (done > 0) for await (const record of readJsonl(input.path, traceRecordSchema)) input.onRecord(record)
  const sink = {
    write: (record: TraceRecord): Promise<void> => {
      input.onRecord(record)
      return writer.write(record)
    },
  }
  // What overtakes a slow sample waits here. The requests of a call are fixed, so the bound is their number.
  const ordered = new OrderedWriter(sink, { next: done, capacity: total })
  const requests: GenerateRequest[] = []
  for (let index = done; index < total; index++) {
    const { problem, sample } = place(problems, samples, index)
    requests.push({
      key: String(index),
      prompt: renderProofPrompt(problem),
      seed: sampleSeed(input, problem, sample),
    })
  }
  const began = performance.now()
  let count = 0
  let tokens = 0
  let valid = 0
  let judgeSeconds = 0
  const judgeAndWrite = async (judge: BackgroundJudge, completion: Completion): Promise<void> => {
    const index = Number(completion.key)
    const { problem, at, sample } = place(problems, samples, index)
    const { judged, seconds } = await judge.judge(at, completion.text)
    judgeSeconds += seconds
    count++
    tokens += completion.numTokens
    if (judged.trace_valid) valid++
    await ordered.put(index, [toRecord(input, { index, problem, sample, completion, judged })])
    events({
      type: 'progress',
      stage,
      done: done + count,
      total,
      unit: 'traces',
      metric: { name: 'valid', value: valid / count },
    })
  }
  if (requests.length > 0) {
    await using judge = openJudge(problems, samples)
    const judging = new PQueue({ concurrency: MAX_JUDGING })
    let failure: { readonly error: unknown } | undefined
    try {
      for await (const completion of backend.generate(requests, generateOptions(input))) {
        judging
          .add(() => judgeAndWrite(judge, completion))
          .catch((error: unknown) => {
            failure ??= { error }
          })
        // Generation waits only if the judge is far behind.
        await judging.onSizeLessThan(MAX_WAITING)
        if (failure !== undefined) break
      }
    } finally {
      // Also when generation was stopped: what it has given is judged and kept.
      await judging.onIdle()
    }
    if (failure !== undefined) throw failure.error
  }
  await ordered.close()
  return {
    generated: count,
    generated_tokens: tokens,
    seconds: (performance.now() - began) / 1000,
    judge_seconds: judgeSeconds,
  }
}

function place(
  problems: readonly Problem[],
  samples: number,
  index: number,
): { problem: Problem; at: number; sample: number } {
  const at = Math.floor(index / samples)
  const problem = problems[at]
  if (problem === undefined) throw new RangeError(`no problem for record ${index}`)
  return { problem, at, sample: index % samples }
}

function generateOptions(input: CollectInput): GenerateOptions {
  const { sampling, signal } = input
  return {
    policy: input.policy,
    temperature: sampling.temperature,
    topP: sampling.top_p,
    maxNewTokens: sampling.max_new_tokens,
    stops: [CONCLUDE_STOP, { name: 'max_steps', pattern: 'Action:[^\\n]*\\n', count: sampling.max_steps }],
    segment: { boundary: SEGMENT_BOUNDARY, maxTokens: sampling.max_thought_tokens },
    ...(signal && { signal }),
  }
}

/** One line of the file. */
function toRecord(
  input: CollectInput,
  each: {
    readonly index: number
    readonly problem: Problem
    readonly sample: number
    readonly completion: Completion
    readonly judged: JudgedTrace
  },
): TraceRecord {
  const { index, problem, sample, completion, judged } = each
  return {
    problem_id: problem.problem_id,
    label: problem.label,
    ...judged,
    premises: problem.premises,
    conclusion: problem.conclusion,
    ...optionalFields(problem),
    prompt: renderProofPrompt(problem),
    ...sampled(completion),
    sample_idx: sample,
    seed: sampleSeed(input, problem, sample),
    policy: input.policy.fingerprint,
    ...(input.asEvaluationRow === true && {
      index,
      gold: problem.label,
      prediction: judged.final_answer,
      output: completion.text,
    }),
  }
}

function sampleSeed(input: CollectInput, problem: Problem, sample: number): number {
  return deriveSeed(input.seed, 'sample', problem.problem_id, sample)
}

/** What the judge needs to judge the record again, where the problem has it. */
function optionalFields(problem: Problem): Partial<TraceRecord> {
  const { depth, entailment, premises_fol, conclusion_fol } = problem
  return {
    ...(premises_fol && { premises_fol }),
    ...(conclusion_fol !== undefined && { conclusion_fol }),
    ...(entailment && { entailment }),
    ...(depth !== undefined && { depth }),
  }
}

/** What the engine tells of a completion, in the words of a trace record. */
function sampled(
  completion: Completion,
): Pick<TraceRecord, 'completion' | 'num_tokens' | 'finish_reason'> & Partial<TraceRecord> {
  return {
    completion: completion.text,
    ...(completion.ids && { completion_ids: [...completion.ids] }),
    num_tokens: completion.numTokens,
    ...(completion.promptTokens !== undefined && { prompt_tokens: completion.promptTokens }),
    finish_reason: completion.stopName ?? completion.finishReason,
  }
}
