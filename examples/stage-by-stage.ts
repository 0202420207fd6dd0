/**
 * Every stage by itself, with files of its own that can be looked at before the next one: the OaK loop's
 * (SFT, traces, pairs, DPO, evaluation) and the Abel pipeline's (PPO, rollouts, evaluation), on any backend that trains.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  abelSchema,
  type ArithmeticQuestion,
  buildPairs,
  buildTracePairs,
  type DpoConfig,
  dpoSchema,
  type DpoSummary,
  evaluate,
  type EvaluationConfig,
  evaluationSchema,
  type EvaluationSummary,
  type EventSink,
  explainPairs,
  type PairReport,
  type PolicyRef,
  type PpoConfig,
  ppoSchema,
  type PpoSummary,
  type PreferencePair,
  type PreferencesConfig,
  preferencesSchema,
  type Problem,
  type QuestionEvaluationConfig,
  questionEvaluationSchema,
  type QuestionEvaluationSummary,
  renderProofPrompt,
  type RolloutsConfig,
  rolloutsSchema,
  type RolloutsSummary,
  runDpo,
  runEvaluation,
  runPpo,
  runQuestionEvaluation,
  runRollouts,
  runSft,
  runTraces,
  type SftConfig,
  sftSchema,
  type SftSummary,
  type StageContext,
  type TorchBackend,
  type TraceRecord,
  type TracesConfig,
  tracesSchema,
  type TracesSummary,
} from 'elenchus'

/** What each stage is given besides its own input. `resume` continues where a killed process stopped. */
export function contextOf(backend: TorchBackend, events: EventSink): StageContext {
  return { backend, events, resume: true }
}

export interface Oak {
  readonly sft: SftSummary
  readonly traces: TracesSummary
  readonly dpo: DpoSummary
  readonly before: EvaluationSummary
  readonly after: EvaluationSummary
}

/** One iteration of the OaK loop, in `folder`. Every problem needs its gold proof. */
export async function oneIteration(
  context: StageContext,
  folder: string,
  problems: readonly Problem[],
  base: PolicyRef,
): Promise<Oak> {
  const seed = 1
  const sftConfig: SftConfig = sftSchema.parse({ max_steps: 4, batch_size: 4, learning_rate: 1e-3 })
  const examples = problems.map((problem) => ({
    prompt: renderProofPrompt(problem),
    completion: goldText(problem),
  }))
  const sft = await runSft(context, {
    dir: join(folder, 'sft'),
    config: sftConfig,
    seed,
    examples,
    dataFingerprint: 'ours-1',
    start: base,
  })

  const tracesConfig: TracesConfig = tracesSchema.parse({
    ...SAMPLING,
    samples_per_problem: 2,
    temperature: 1,
  })
  const tracesInput = {
    dir: join(folder, 'traces'),
    config: tracesConfig,
    seed,
    problems,
    policy: sft.policy,
  }
  const traces = await runTraces(context, tracesInput)

  // Looking at the traces before training on them is the point of single stages. A model this small proves nothing, so
  // `pairsOfTraces` finds no pair; here the longer sample of two is preferred.
  const sampled = await readTraces(join(folder, 'traces/traces.jsonl'))
  const pairs = problems.map(({ problem_id }) =>
    longerPreferred(sampled.filter((trace) => trace.problem_id === problem_id)),
  )
  const dpoConfig: DpoConfig = dpoSchema.parse({ max_steps: 2, batch_size: 2, learning_rate: 1e-4 })
  const dpo = await runDpo(context, {
    dir: join(folder, 'dpo'),
    config: dpoConfig,
    seed,
    pairs,
    dataFingerprint: 'ours-1',
    start: sft.policy,
  })

  // `evaluate` and `runEvaluation` are one function.
  const config: EvaluationConfig = evaluationSchema.parse(SAMPLING)
  const judge = { config, seed, problems }
  const before = await runEvaluation(context, { ...judge, dir: join(folder, 'before'), policy: sft.policy })
  const after = await evaluate(context, { ...judge, dir: join(folder, 'after'), policy: dpo.policy })
  return { sft, traces, dpo, before, after }
}

const SAMPLING = { max_steps: 4, max_thought_tokens: 24, max_new_tokens: 48 }

function goldText(problem: Problem): string {
  return (problem.gold ?? [])
    .map(({ thought, action }) => `Thought: ${thought}\nAction: ${action}\n`)
    .join('')
}

export async function readTraces(path: string): Promise<TraceRecord[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '')
  return lines.map((line) => {
    const record: TraceRecord = JSON.parse(line)
    return record
  })
}

/** A pair of one's own making. The ids are those that the engine sampled, never the text tokenised again. */
function longerPreferred(samples: readonly TraceRecord[]): PreferencePair {
  const [rejected, chosen] = samples.toSorted((a, b) => a.num_tokens - b.num_tokens)
  if (chosen?.completion_ids === undefined || rejected?.completion_ids === undefined) {
    throw new Error('two samples with token ids are needed')
  }
  return {
    problem_id: chosen.problem_id,
    prompt: chosen.prompt,
    chosen: chosen.completion,
    chosen_ids: chosen.completion_ids,
    rejected: rejected.completion,
    rejected_ids: rejected.completion_ids,
    chosen_score: chosen.num_tokens,
    rejected_score: rejected.num_tokens,
    margin: chosen.num_tokens - rejected.num_tokens,
    pair_type: 'trace',
    policy: chosen.policy,
  }
}

/** Pairs of judged traces, and in words why there are not more. (`buildPairs` takes rollouts too.) */
export function pairsOfTraces(traces: readonly TraceRecord[]): {
  pairs: PreferencePair[]
  why: string[]
  same: boolean
} {
  const settings: PreferencesConfig = preferencesSchema.parse({ mode: 'all' })
  const { pairs, report }: { pairs: PreferencePair[]; report: PairReport } = buildTracePairs(traces, settings)
  const again = buildPairs({ traces, settings: { mode: 'all' } })
  return { pairs, why: explainPairs(report, settings), same: again.pairs.length === pairs.length }
}

export interface Abel {
  readonly ppo: PpoSummary
  readonly rollouts: RolloutsSummary
  readonly evaluation: QuestionEvaluationSummary
}

/** PPO on correctness, rollouts of the trained policy with their Regime W scores, and its greedy answers. */
export async function onQuestions(
  context: StageContext,
  folder: string,
  questions: readonly ArithmeticQuestion[],
  base: PolicyRef,
): Promise<Abel> {
  const seed = 1
  const ppoConfig: PpoConfig = ppoSchema.parse({
    n_samples: questions.length,
    batch_size: 2,
    group_size: 2,
    max_new_tokens: 16,
    learning_rate: 1e-4,
  })
  const ppo = await runPpo(context, {
    dir: join(folder, 'ppo'),
    config: ppoConfig,
    seed,
    questions,
    start: base,
  })

  const rolloutsConfig: RolloutsConfig = rolloutsSchema.parse({ arms: 2, temperature: 1, max_new_tokens: 16 })
  const rollouts = await runRollouts(context, {
    dir: join(folder, 'rollouts'),
    path: join(folder, 'rollouts.jsonl'),
    config: rolloutsConfig,
    seed,
    questions,
    policy: ppo.policy,
  })

  const config: QuestionEvaluationConfig = questionEvaluationSchema.parse({ max_new_tokens: 16 })
  const evaluation = await runQuestionEvaluation(context, {
    dir: join(folder, 'answers'),
    path: join(folder, 'answers.jsonl'),
    config,
    seed,
    questions,
    policy: ppo.policy,
  })
  return { ppo, rollouts, evaluation }
}

/** The settings of a whole pipeline are those of its stages, under their names. */
export function stageSettings(config: unknown): { ppo: PpoConfig; rollouts: RolloutsConfig } {
  const { ppo, rollouts } = abelSchema.parse(config)
  return { ppo, rollouts }
}
