import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deriveSeed } from '../../random.ts'
import { writeJsonAtomic } from '../../runs/atomic.ts'
import { fingerprintJson } from '../../runs/fingerprint.ts'
import { runSft, type SftSummary } from '../../training/sft.ts'
import { sftExamples } from './demonstrations.ts'
import { evaluateRow, weightsAfter, type OakRun, type Weights } from './evaluate.ts'
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
    const steps = await stepBudget(run, sft.summary, loopSeconds)
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

/**
 * Optimiser steps of SFT that take as long as the loop's sampling, scoring and training took. Measured once and
 * stored, so that a resumed run has the same control.
 */
async function stepBudget(run: OakRun, sft: SftSummary, loopSeconds: number): Promise<number> {
  const folder = join(run.config.output, 'controls')
  const path = join(folder, 'budget.json')
  try {
    const stored: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (
      typeof stored === 'object' &&
      stored !== null &&
      'steps' in stored &&
      typeof stored.steps === 'number'
    ) {
      return stored.steps
    }
  } catch {
    // Not measured yet.
  }
  const steps = Math.max(1, Math.round((loopSeconds * sft.steps) / sft.step_seconds))
  await mkdir(folder, { recursive: true })
  await writeJsonAtomic(path, { steps, loop_seconds: loopSeconds, sft_seconds: sft.step_seconds })
  return steps
}
