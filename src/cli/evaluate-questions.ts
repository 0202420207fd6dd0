import { join } from 'node:path'
import { type QuestionEvaluationConfig, questionEvaluationSchema } from '../config/evaluation-questions.ts'
import { ElenchusError } from '../errors.ts'
import type { Coherence } from '../evaluation/questions-coherence.ts'
import type { QuestionMetrics } from '../evaluation/questions-metrics.ts'
import { runQuestionEvaluation, type QuestionEvaluationSummary } from '../evaluation/questions-stage.ts'
import { EVALUATION_FILE } from '../evaluation/stage.ts'
import { questionLengths, USUAL_RANK } from '../pipelines/plan-stage.ts'
import type { ArithmeticQuestion } from '../problems/arithmetic/question.ts'
import { loadQuestions } from '../pipelines/question-files.ts'
import { stageDirectoryOf } from '../runs/beside.ts'
import type { EvaluateOptions } from './commands/evaluate.ts'
import { checkEvaluated, openEvaluated, type PreparedEvaluation } from './evaluated-policy.ts'
import { readSchemaFlags } from './flags.ts'
import type { Session } from './session.ts'
import { percent, renderTable, withInterval } from './table.ts'
import { counts } from './totals.ts'

/** `elenchus evaluate --task gsm8k|gsm8k-platinum`; `--output` is a directory, or the file of rows itself. */
export async function prepareQuestions(options: EvaluateOptions): Promise<PreparedEvaluation> {
  const { task } = options
  const config = readSchemaFlags(questionEvaluationSchema, { ...options })
  // Named by the task, so that files of the same set can be compared, and those of different sets cannot.
  const all = await loadQuestions(options.data, { name: task, overlay: options.platinumOverlay })
  const questions = all.slice(0, options.numProblems)
  const { base, adapter } = await checkEvaluated(options)
  return {
    plan: {
      command: 'evaluate',
      model: base,
      lengths: questionLengths(questions),
      stage: (planner) =>
        planner.sample(
          'evaluation',
          'questions',
          questions.length,
          1 + config.coherence_samples,
          config,
          adapter === null ? null : USUAL_RANK,
        ),
    },
    evaluate: (session) => evaluate(options, { config, questions }, session),
  }
}

async function evaluate(
  options: EvaluateOptions,
  given: { readonly config: QuestionEvaluationConfig; readonly questions: readonly ArithmeticQuestion[] },
  { events, signal, print }: Session,
): Promise<void> {
  const { output, seed } = options
  const isFile = output.endsWith('.jsonl')
  const dir = isFile ? stageDirectoryOf(output) : output
  const path = isFile ? output : join(output, EVALUATION_FILE)
  const { backend: opened, policy } = await openEvaluated(options, dir, { events, signal })
  await using backend = opened
  const summary = await runQuestionEvaluation(
    { backend, events, signal, resume: options.resume ?? false },
    { dir, path, seed, policy, ...given },
  )
  print(`${renderQuestionEvaluation(summary)}\n\nrows in ${path}`, summary)
  if (options.gate !== undefined) enforceGate(summary.metrics, options.gate)
}

function enforceGate({ accuracy }: QuestionMetrics, gate: number): void {
  if (accuracy.value >= gate) return
  throw new ElenchusError(
    'gate_failed',
    `Accuracy ${percent(accuracy.value)} % is below the gate of ${percent(gate)} %.`,
  )
}

function renderQuestionEvaluation({ metrics, coherence }: QuestionEvaluationSummary): string {
  return [
    renderTable(
      ['questions', 'accuracy %', 'unanswered %', 'truncated %', 'tokens'],
      [
        [
          String(metrics.questions),
          withInterval(metrics.accuracy),
          withInterval(metrics.unanswered),
          withInterval(metrics.truncated),
          metrics.mean_tokens.toFixed(1),
        ],
      ],
    ),
    '',
    `ended by: ${counts(metrics.finish_reasons)}`,
    ...(coherence === null ? [] : ['', renderCoherence(coherence)]),
  ].join('\n')
}

function renderCoherence(coherence: Coherence): string {
  return renderTable(
    ['coherence (further samples)', '% [95 %]'],
    Object.entries(coherence).map(([score, estimate]) => [score, withInterval(estimate)]),
  )
}
