import {
  type AbelConfig,
  type AbelSummary,
  createEntailer,
  ElenchusError,
  type ErrorCode,
  type JudgedTrace,
  loadConfig,
  type OakConfig,
  type OakSummary,
  type OpenedRun,
  openRun,
  type PipelineConfig,
  type PipelineRun,
  type RunEvent,
  runPipeline,
  verifyTrace,
} from 'elenchus'
import { expectTypeOf, test } from 'vitest'

// Checked by `npm run types`; running them proves nothing.
test('a run has the summary of its pipeline', () => {
  expectTypeOf(runPipeline<OakConfig>).returns.toEqualTypeOf<PipelineRun<OakSummary>>()
  expectTypeOf(runPipeline<AbelConfig>).returns.toEqualTypeOf<PipelineRun<AbelSummary>>()
  expectTypeOf<PipelineRun<OakSummary>>().toExtend<AsyncIterable<RunEvent>>()
  expectTypeOf<PipelineRun<OakSummary>['summary']>().toEqualTypeOf<Promise<OakSummary>>()
})

test('errors have codes of a closed set, and are recognised by a type guard', () => {
  expectTypeOf<ElenchusError['code']>().toEqualTypeOf<ErrorCode>()
  expectTypeOf<ErrorCode>().not.toEqualTypeOf<string>()
  expectTypeOf<typeof ElenchusError.is>().guards.toEqualTypeOf<ElenchusError>()
})

test('the judge is synchronous; whatever reads files or waits is not', () => {
  expectTypeOf(verifyTrace).returns.toEqualTypeOf<JudgedTrace>()
  expectTypeOf(openRun).returns.toEqualTypeOf<Promise<OpenedRun>>()
  expectTypeOf(createEntailer).returns.toExtend<AsyncDisposable>()
  expectTypeOf(loadConfig<PipelineConfig>).returns.toExtend<Promise<unknown>>()
})
