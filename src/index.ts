/** The public API. What is not exported here may change at any time. */

// Whole runs
export {
  runPipeline,
  type PipelineRun,
  type RunPipelineOptions,
  type SummaryOf,
} from './library/run-pipeline.ts'
export { openRun, type OpenedRun, type OpenRunOptions } from './library/open-run.ts'
export { logEvents, type Logger, type LogMethod } from './library/logger.ts'

// Errors and events
export { ElenchusError, ERROR_CODES, type ErrorCode } from './errors.ts'
export { EventStream, fanOut, type EventSink, type RunEvent } from './runs/events.ts'

// The judge: pure, no model, no Python
export type { Entailment, Label } from './logic/truth.ts'
export { verifyProof, verifyProof as verifyTrace, verifyTraces, type VerifyOptions } from './traces/verify.ts'
export type { VerifySummary } from './traces/totals.ts'
export { explainTrace } from './traces/explain.ts'
export { judgeChain, type ChainProblem } from './logic/chains/judge-chain.ts'
export type { JudgedChain } from './logic/chains/verdict.ts'
export type { JudgedTrace, TraceRecord } from './traces/record.ts'
export { createEntailer, type Decision, type Entailer } from './entailment/entailer.ts'
export { parseTheory, type Theory, type TheoryText, type Unread } from './logic/language/theory.ts'

// Problems
export type { Problem } from './problems/problem.ts'
export { annotateProblems } from './problems/annotate.ts'
export { generateProblems, type GeneratorOptions } from './problems/generator/generate.ts'
export { readProblems, type ReadResult } from './problems/readers/read.ts'
export { renderProofPrompt } from './prompts/proof.ts'

// Questions, answers and Regime W: pure as well
export type { ArithmeticQuestion } from './problems/arithmetic/question.ts'
export { generateQuestions, type ArithmeticGeneratorOptions } from './problems/arithmetic/generate.ts'
export { readQuestions, type QuestionFile } from './problems/arithmetic/read.ts'
export { renderAbelPrompt } from './prompts/abel.ts'
export { extractAnswer, type ExtractionOptions, type FinalAnswer } from './answers/extract.ts'
export { gradeOutput, type Grade } from './answers/grade.ts'
export type { Preset, RewardSettings, RolloutGroup, ScoredGroup } from './regime-w/group.ts'
export { rescore, rescore as scoreRegimeW } from './regime-w/rescore.ts'

// Preferences
export { buildPairs } from './library/build-pairs.ts'
export { buildRolloutPairs, type RolloutPairReport } from './preferences/rollouts.ts'
export type { PreferencePair } from './preferences/pair.ts'
export { buildTracePairs, explainPairs, type PairReport } from './preferences/traces.ts'

// Backends
export type * from './backends/backend.ts'
export { BACKEND_SPECIFICATION } from './backends/backend.ts'
export { createOpenAIBackend, type OpenAIBackend } from './backends/openai/openai.ts'
export type { OpenAIBackendOptions, ServerKind } from './backends/openai/options.ts'
export { createScriptedBackend } from './backends/scripted.ts'
export { createTorchBackend, type TorchBackend } from './backends/torch/torch.ts'
export type { TorchBackendOptions } from './backends/torch/options.ts'
export { createVllmBackend, type VllmBackendOptions } from './backends/vllm/vllm.ts'
export { spawnLauncher } from './bridge/launchers/spawn.ts'

// Stages and pipelines
export type { StageContext } from './backends/context.ts'
export { runTraces, type TracesSummary } from './traces/stage.ts'
export { runSft, type SftSummary } from './training/sft.ts'
export { runDpo, type DpoSummary } from './training/dpo.ts'
export { runPpo, type PpoSummary } from './training/ppo/stage.ts'
export { runEvaluation, runEvaluation as evaluate, type EvaluationSummary } from './evaluation/stage.ts'
export { runRollouts, type RolloutsSummary } from './rollouts/stage.ts'
export { runQuestionEvaluation, type QuestionEvaluationSummary } from './evaluation/questions-stage.ts'
export { runOak } from './pipelines/oak/run.ts'
export type { OakSummary } from './pipelines/oak/summary.ts'
export { runAbel } from './pipelines/abel/run.ts'
export type { AbelSummary } from './pipelines/abel/summary.ts'
export { loadConfig, parseOverride } from './config/load.ts'
export { pipelineSchema, type PipelineConfig } from './config/pipeline.ts'
export { abelSchema, type AbelConfig } from './config/abel.ts'
export { oakSchema, type OakConfig } from './config/oak.ts'
export { tracesSchema, type TracesConfig } from './config/traces.ts'
export { evaluationSchema, type EvaluationConfig } from './config/evaluation.ts'
export { ppoSchema, type PpoConfig } from './config/ppo.ts'
export { rolloutsSchema, type RolloutsConfig } from './config/rollouts.ts'
export { questionEvaluationSchema, type QuestionEvaluationConfig } from './config/evaluation-questions.ts'
export {
  dpoSchema,
  preferencesSchema,
  sftSchema,
  type DpoConfig,
  type PreferencesConfig,
  type SftConfig,
} from './config/training.ts'
