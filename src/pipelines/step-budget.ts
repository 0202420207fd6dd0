import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeJsonAtomic } from '../runs/atomic.ts'

/**
 * Optimiser steps of SFT that take as long as what is compared with them. Measured once and stored in
 * `budget.json`, so that a resumed run has the same control.
 *
 * @param sft the SFT whose speed is taken as the measure.
 * @param seconds that the compared stages spent sampling, scoring and training.
 */
export async function stepBudget(
  folder: string,
  sft: { readonly steps: number; readonly step_seconds: number },
  seconds: number,
): Promise<number> {
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
  const steps = Math.max(1, Math.round((seconds * sft.steps) / sft.step_seconds))
  await mkdir(folder, { recursive: true })
  await writeJsonAtomic(path, { steps, loop_seconds: seconds, sft_seconds: sft.step_seconds })
  return steps
}
