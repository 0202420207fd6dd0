import { join } from 'node:path'
import type { PolicyRef } from '../backends/backend.ts'
import { requireGeneration, type StageContext } from '../backends/context.ts'
import { runStage, type Timed, type Untimed } from '../backends/run-stage.ts'
import type { QuestionEvaluationConfig } from '../config/evaluation-questions.ts'
import { rolloutsSchema } from '../config/rollouts.ts'
import type { ArithmeticQuestion } from '../problems/arithmetic/question.ts'
import { ABEL_PROMPT_VERSION } from '../prompts/abel.ts'
import { deriveSeed } from '../random.ts'
import { runRolloutsForGroups } from '../rollouts/stage.ts'
import { collectGroups, type CollectOutcome, type SampledGroup } from '../rollouts/collect.ts'
import { fingerprintJson } from '../runs/fingerprint.ts'
import { coherenceOf, type Coherence } from './questions-coherence.ts'
import {
  questionMetrics,
  questionRowSchema,
  type QuestionMetrics,
  type QuestionRow,
} from './questions-metrics.ts'

export interface QuestionEvaluationInput {
  /** Manifest and summary. */
  readonly dir: string
  /** The file of evaluation rows. */
  readonly path: string
  readonly stage?: string
  readonly config: QuestionEvaluationConfig
  readonly seed: number
  readonly questions: readonly ArithmeticQuestion[]
  readonly policy: PolicyRef
}

export interface QuestionEvaluationSummary extends CollectOutcome, Timed {
  readonly policy: PolicyRef
  readonly metrics: QuestionMetrics
  /** Regime W on further samples (preset `trajectory`); null if none were asked for. */
  readonly coherence: Coherence | null
}

/** Answers of a policy to questions that nothing was trained on, graded, and what they amount to. */
export async function runQuestionEvaluation(
  context: StageContext,
  input: QuestionEvaluationInput,
): Promise<QuestionEvaluationSummary> {
  const { config, questions, policy } = input
  const stage = input.stage ?? 'evaluate'
  requireGeneration(context.backend, stage)
  const fingerprint = fingerprintJson(questions)
  return runStage<Untimed<QuestionEvaluationSummary>>(
    context,
    {
      dir: input.dir,
      stage,
      config: { ...config, seed: input.seed, prompt: ABEL_PROMPT_VERSION },
      inputs: { questions: fingerprint, policy: policy.fingerprint },
      files: [input.path],
    },
    async (run) => {
      const { outcome, records } = await collectGroups(context.backend, {
        stage,
        path: input.path,
        resume: run.state === 'resumed',
        questions,
        arms: [{ temperature: config.temperature, topP: config.top_p }],
        maxNewTokens: config.max_new_tokens,
        marker: config.marker,
        seed: input.seed,
        policy,
        schema: questionRowSchema,
        toRecord: toRow,
        events: context.events,
        signal: context.signal,
      })
      return {
        ...outcome,
        policy,
        metrics: questionMetrics(records),
        coherence:
          config.coherence_samples === 0 ? null : await measureCoherence(context, input, stage, fingerprint),
      }
    },
  )
}

/** The rollouts on which the coherence of an evaluation was measured, for paired comparisons. */
export function coherenceFile(dir: string): string {
  return join(dir, 'coherence.jsonl')
}

async function measureCoherence(
  context: StageContext,
  input: QuestionEvaluationInput,
  stage: string,
  questionsFingerprint: string,
): Promise<Coherence> {
  const { config } = input
  const path = coherenceFile(input.dir)
  const { groups } = await runRolloutsForGroups(context, {
    dir: join(input.dir, 'coherence'),
    path,
    stage: `${stage}/coherence`,
    config: rolloutsSchema.parse({
      arms: config.coherence_samples,
      temperature: config.coherence_temperature,
      max_new_tokens: config.max_new_tokens,
      marker: config.marker,
      preset: 'trajectory',
    }),
    seed: deriveSeed(input.seed, 'coherence'),
    questions: input.questions,
    questionsFingerprint,
    policy: input.policy,
  })
  return coherenceOf(groups, { seed: input.seed })
}

/** A group of one answer as a line of the evaluation file. */
function toRow(group: SampledGroup, index: number): QuestionRow {
  const [answer] = group.trajectories
  return {
    index,
    question_id: group.question_id,
    question: group.question,
    gold: group.gold_answer,
    prediction: answer.answer,
    correct: answer.correct,
    output: answer.full_text,
    finish_reason: answer.finish_reason,
    num_tokens: answer.num_tokens,
    prompt: group.prompt,
    seed: answer.seed,
    policy: group.policy,
  }
}
