import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { AbelConfig } from '../../config/abel.ts'
import { deriveSeed, Rng } from '../../random.ts'
import { type RolloutsSummary, runRollouts } from '../../rollouts/stage.ts'
import { writeJsonAtomic } from '../../runs/atomic.ts'
import { stageDirectoryOf } from '../../runs/beside.ts'
import { fingerprintFile } from '../../runs/fingerprint.ts'
import { runDpo } from '../../training/dpo.ts'
import { runPpo } from '../../training/ppo/stage.ts'
import { noRolloutPairs, prepareRolloutPairs, type PreparedRolloutPairs } from '../rollout-pairs.ts'
import { recorded } from '../run-record.ts'
import { stepBudget } from '../step-budget.ts'
import { type PipelineContext, type Weights, weightsAfter } from '../weights.ts'
import { prepareAbelBase, trainHabits, type AbelBase } from './base.ts'
import { prepareAbelData } from './data.ts'
import { evaluateRow, type AbelRun } from './evaluate.ts'
import { abelLayout } from './layout.ts'
import { abelSummary, type AbelSummary } from './summary.ts'

/**
 * The Abel pipeline: PPO on pure correctness from the base, Regime W rollouts of the PPO policy, preference
 * pairs, DPO from the PPO policy against itself, frozen; base, PPO and DPO are evaluated greedily on the same
 * questions. Every stage resumes on its own; finished ones are skipped.
 */
export async function runAbel(context: PipelineContext, config: AbelConfig): Promise<AbelSummary> {
  await mkdir(config.output, { recursive: true })
  return recorded(config, (wallSeconds) => runStages(context, config, wallSeconds))
}

async function runStages(
  context: PipelineContext,
  config: AbelConfig,
  wallSeconds: () => number,
): Promise<AbelSummary> {
  const data = await prepareAbelData(config)
  const run: AbelRun = { context, config, data }
  const base = await prepareAbelBase(context, config, data)
  const baseRow = await evaluateRow(run, 'base', base.weights)
  const ppo = await trainPpo(run, base.weights)
  const ppoRow = await evaluateRow(run, 'ppo', ppo.weights)
  const rollouts = await sampleRollouts(run, ppo.weights)
  const pairs = await prepareRolloutPairs({
    rolloutsPath: abelLayout(config.output).rollouts,
    pairsPath: abelLayout(config.output).pairs,
    config: config.preferences,
  })
  const dpo = await trainDpo(run, ppo.weights, pairs)
  const dpoRow = await evaluateRow(run, 'dpo_coherence', dpo.weights)
  const seconds = ppo.seconds + rollouts.total_seconds + dpo.seconds
  const control = config.controls.more_sft ? await runControl(run, base, seconds) : null
  const summary = await abelSummary({
    seed: config.seed,
    heldOut: data.heldOut.length,
    wallSeconds: wallSeconds(),
    base: baseRow,
    ppo: ppoRow,
    dpo: dpoRow,
    control,
    pairs: pairs.report.pairs,
    rollouts,
  })
  await writeJsonAtomic(abelLayout(config.output).summary, summary)
  return summary
}

/** A policy after training, and what it took. */
interface Trained {
  readonly weights: Weights
  /** Spent sampling, scoring and stepping. */
  readonly seconds: number
}

async function trainPpo({ context, config, data }: AbelRun, start: Weights): Promise<Trained> {
  const dir = abelLayout(config.output).ppo
  await context.backend.switchModel(start.model)
  const ppo = await runPpo(context, {
    dir,
    stage: 'ppo',
    config: config.ppo,
    seed: deriveSeed(config.seed, 'ppo'),
    questions: data.train,
    start: start.policy,
  })
  return { weights: weightsAfter(start, dir, ppo), seconds: ppo.seconds }
}

async function sampleRollouts(
  { context, config, data }: AbelRun,
  weights: Weights,
): Promise<RolloutsSummary> {
  const path = abelLayout(config.output).rollouts
  const { n_samples: count = data.train.length, ...settings } = config.rollouts
  const seed = deriveSeed(config.seed, 'rollouts')
  await context.backend.switchModel(weights.model)
  return runRollouts(context, {
    dir: stageDirectoryOf(path),
    path,
    config: settings,
    seed,
    questions: new Rng(seed).shuffle(data.train).slice(0, count),
    policy: weights.policy,
  })
}

/**
 * No pairs is no failure: a policy that is always right, or never, leaves nothing to prefer. The reasons are
 * told, and the policy stays what it is.
 */
async function trainDpo(
  { context, config }: AbelRun,
  start: Weights,
  pairs: PreparedRolloutPairs,
): Promise<Trained> {
  const layout = abelLayout(config.output)
  if (pairs.pairs.length === 0) {
    const message = `${noRolloutPairs(layout.rollouts, pairs).message}\nDPO is skipped.`
    context.events({ type: 'warning', stage: 'dpo', message })
    return { weights: start, seconds: 0 }
  }
  const dpo = await runDpo(context, {
    dir: layout.dpo,
    config: config.dpo,
    seed: deriveSeed(config.seed, 'dpo'),
    pairs: pairs.pairs,
    dataFingerprint: await fingerprintFile(pairs.path),
    start: start.policy,
  })
  return {
    weights: weightsAfter(start, layout.dpo, dpo),
    seconds: dpo.reference_seconds + dpo.step_seconds,
  }
}

/** What the same seconds of more supervised training on the base's own mix would have bought. */
async function runControl(
  run: AbelRun,
  { weights, habits: trained }: AbelBase,
  seconds: number,
): Promise<AbelSummary['control']> {
  const { context, config, data } = run
  if (trained === null || config.habits === undefined) return null
  const folder = join(config.output, 'controls')
  const steps = await stepBudget(folder, trained, seconds)
  const dir = join(folder, 'more-sft')
  const more = await trainHabits(context, {
    dir,
    stage: 'control/more-sft',
    habits: config.habits,
    questions: data.habits,
    seed: config.seed,
    start: weights,
    maxSteps: steps,
  })
  const row = await evaluateRow(run, 'more_sft', weightsAfter(weights, dir, more))
  return { ...row, steps, seconds }
}
