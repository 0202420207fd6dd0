import { join } from 'node:path'
import { deriveSeed } from '../../random.ts'
import { fingerprintJson } from '../../runs/fingerprint.ts'
import { runSft, type SftSummary } from '../../training/sft.ts'
import { stepBudget } from '../step-budget.ts'
import { type Weights, weightsAfter } from '../weights.ts'
import { sftExamples } from './demonstrations.ts'
import { evaluateRow, type OakRun } from './evaluate.ts'
import type { OakRow } from './summary.ts'

/**
 * What else the same effort would have bought: more SFT on the same mixed demonstrations for the seconds that
 * the loop took, and SFT on careful demonstrations only.
 */
export async function runControls(
  run: OakRun,
  sft: { readonly weights: Weights; readonly summary: SftSummary },
  loopSeconds: number,
): Promise<OakRow[]> {
  const { context, config, data } = run
  const rows: OakRow[] = []
  if (config.controls.more_sft) {
    const steps = await stepBudget(join(config.output, 'controls'), sft.summary, loopSeconds)
    const dir = join(config.output, 'controls', 'more-sft')
    await context.backend.switchModel(sft.weights.model)
    const more = await runSft(context, {
      dir,
      stage: 'control/more-sft',
      config: { ...config.sft, max_steps: steps },
      seed: deriveSeed(config.seed, 'more-sft'),
      examples: sftExamples(data.sft, config.sft.demonstrations, config.seed),
      dataFingerprint: fingerprintJson(data.sft),
      start: sft.weights.policy,
    })
    const weights = weightsAfter(sft.weights, dir, more)
    const row = await evaluateRow(run, { iteration: null, name: 'control: more SFT', weights })
    rows.push({ ...row, name: `control: ${steps} more SFT steps` })
  }
  if (config.controls.careful_sft) {
    const dir = join(config.output, 'controls', 'careful-sft')
    const demonstrations = { careless_share: 0, swap_share: 0, guess_share: 0 }
    await context.backend.switchModel(run.base.model)
    const careful = await runSft(context, {
      dir,
      stage: 'control/careful-sft',
      config: { ...config.sft, demonstrations },
      seed: deriveSeed(config.seed, 'sft'),
      examples: sftExamples(data.sft, demonstrations, config.seed),
      dataFingerprint: fingerprintJson(data.sft),
      start: run.base.policy,
    })
    const weights = weightsAfter(run.base, dir, careful)
    rows.push(await evaluateRow(run, { iteration: null, name: 'control: careful SFT only', weights }))
  }
  return rows
}
