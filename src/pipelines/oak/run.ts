import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { OakConfig } from '../../config/oak.ts'
import { ElenchusError } from '../../errors.ts'
import { deriveSeed, Rng } from '../../random.ts'
import { writeJsonAtomic } from '../../runs/atomic.ts'
import { fingerprintFile, fingerprintJson } from '../../runs/fingerprint.ts'
import { runTraces } from '../../traces/stage.ts'
import { runDpo } from '../../training/dpo.ts'
import { preparePairs, type PreparedPairs } from '../../training/pairs.ts'
import { runSft } from '../../training/sft.ts'
import { makeTinyModel } from '../../training/tiny-model.ts'
import { recorded } from '../run-record.ts'
import { type PipelineContext, type Weights, weightsAfter } from '../weights.ts'
import { runControls } from './controls.ts'
import { prepareOakData, type OakData } from './data.ts'
import { sftExamples } from './demonstrations.ts'
import { evaluateOn, evaluateRow, iterationFolder, type OakRun } from './evaluate.ts'
import { oakSummary, rowOf, type OakRow, type OakSummary } from './summary.ts'

/**
 * The OaK loop: SFT, then per iteration fresh traces of the current policy, the judge's verdicts, preference
 * pairs, and DPO against the frozen current policy; every policy is evaluated greedily on the same problems.
 * Every stage resumes on its own; finished ones are skipped.
 */
export async function runOak(context: PipelineContext, config: OakConfig): Promise<OakSummary> {
  await mkdir(config.output, { recursive: true })
  return recorded(config, (wallSeconds) => runStages(context, config, wallSeconds))
}

async function runStages(
  context: PipelineContext,
  config: OakConfig,
  wallSeconds: () => number,
): Promise<OakSummary> {
  const data = await prepareOakData(config)
  const base = await prepareBase(context, config, data)
  const run: OakRun = { context, config, data, base }

  const sftDir = join(config.output, 'sft')
  await context.backend.switchModel(base.model)
  const sft = await runSft(context, {
    dir: sftDir,
    config: config.sft,
    seed: deriveSeed(config.seed, 'sft'),
    examples: sftExamples(data.sft, config.sft.demonstrations, config.seed),
    dataFingerprint: fingerprintJson(data.sft),
    start: base.policy,
  })
  const start = weightsAfter(base, sftDir, sft)
  const rows: [OakRow, ...OakRow[]] = [await evaluateRow(run, { iteration: 0, name: 'SFT', weights: start })]
  let weights = start
  let loopSeconds = 0
  for (let iteration = 1; iteration <= config.iterations; iteration++) {
    const outcome = await runIteration(run, iteration, weights)
    weights = outcome.weights
    loopSeconds += outcome.seconds
    const { traces, pairs } = outcome
    const name = `iteration ${iteration}`
    rows.push(await evaluateRow(run, { iteration, name, weights, traces, pairs }))
  }
  const controls = await runControls(run, { weights: start, summary: sft }, loopSeconds)
  const also = await evaluateAlso(run, rows, [start, weights])
  const summary = await oakSummary({
    config,
    heldOut: data.heldOut,
    rows,
    controls,
    also,
    wallSeconds: wallSeconds(),
  })
  await writeJsonAtomic(join(config.output, 'summary.json'), summary)
  return summary
}

async function prepareBase(context: PipelineContext, config: OakConfig, data: OakData): Promise<Weights> {
  let model: string
  if ('path' in config.model) {
    model = config.model.path
    await context.backend.switchModel(model)
  } else {
    const { tiny } = config.model
    model = await makeTinyModel(context, {
      dir: join(config.output, 'base'),
      config: tiny,
      seed: deriveSeed(config.seed, 'base'),
      pretraining: sftExamples(data.pretraining, tiny.pretraining.training.demonstrations, config.seed),
      // Nothing of the held-out problems: what has no token there falls back to bytes.
      vocabularyTexts: sftExamples([...data.sft, ...data.train], config.sft.demonstrations, config.seed).map(
        (example) => example.prompt + example.completion,
      ),
      dataFingerprint: fingerprintJson([data.pretraining, data.sft, data.train]),
    })
  }
  const { fingerprint } = await context.backend.info()
  return { model, policy: { kind: 'base', fingerprint } }
}

async function runIteration(
  run: OakRun,
  iteration: number,
  weights: Weights,
): Promise<{ weights: Weights; traces: number; pairs: number; seconds: number }> {
  const { context, config, data } = run
  const { num_problems: count = data.train.length, ...tracesConfig } = config.traces
  const draw = new Rng(deriveSeed(config.seed, 'draw', iteration)).shuffle(data.train).slice(0, count)
  const tracesDir = join(config.output, 'traces', iterationFolder(iteration))
  await context.backend.switchModel(weights.model)
  const traces = await runTraces(context, {
    dir: tracesDir,
    stage: `iter${iteration}/traces`,
    config: tracesConfig,
    seed: deriveSeed(config.seed, 'traces', iteration),
    problems: draw,
    policy: weights.policy,
  })
  const sampled = { traces: traces.traces, seconds: traces.total_seconds }
  const dpoDir = join(config.output, 'dpo', iterationFolder(iteration))
  const pairs = await pairsOrNone(run, iteration, {
    tracesPath: join(tracesDir, 'traces.jsonl'),
    pairsPath: join(dpoDir, 'preference_pairs.jsonl'),
  })
  if (pairs === null) return { ...sampled, weights, pairs: 0 }
  const dpo = await runDpo(context, {
    dir: dpoDir,
    stage: `iter${iteration}/dpo`,
    config: config.dpo,
    seed: deriveSeed(config.seed, 'dpo', iteration),
    pairs: pairs.pairs,
    dataFingerprint: await fingerprintFile(pairs.path),
    start: weights.policy,
  })
  return {
    weights: { model: weights.model, policy: dpo.policy },
    traces: traces.traces,
    pairs: dpo.pairs,
    seconds: traces.total_seconds + dpo.reference_seconds + dpo.step_seconds,
  }
}

/**
 * An iteration without pairs is no failure: a policy that does everything right, or nothing, leaves nothing to
 * prefer. The reasons are told, and the policy stays what it is.
 */
async function pairsOrNone(
  { context, config }: OakRun,
  iteration: number,
  paths: { readonly tracesPath: string; readonly pairsPath: string },
): Promise<PreparedPairs | null> {
  try {
    return await preparePairs({ ...paths, config: config.preferences })
  } catch (error) {
    if (!ElenchusError.is(error) || error.code !== 'no_pairs') throw error
    context.events({
      type: 'warning',
      stage: `iter${iteration}/dpo`,
      message: `${error.message}\nDPO is skipped.`,
    })
    return null
  }
}

/** The SFT model and the last iteration on the further evaluation sets. */
async function evaluateAlso(
  run: OakRun,
  rows: readonly [OakRow, ...OakRow[]],
  [first, last]: readonly [Weights, Weights],
): Promise<Record<string, OakRow[]>> {
  const ends = [
    { row: rows[0], weights: first, suffix: 'iter0' },
    { row: rows.at(-1) ?? rows[0], weights: last, suffix: 'last' },
  ]
  const result: Record<string, OakRow[]> = {}
  for (const [name, problems] of run.data.also) {
    const compared: OakRow[] = []
    for (const { row, weights, suffix } of ends) {
      const evaluation = await evaluateOn(run, `${name}-${suffix}`, problems, weights)
      compared.push(rowOf({ ...row, weights }, evaluation))
    }
    result[name] = compared
  }
  return result
}
