import { rolloutGroupSchema, type Preset, type RewardSettings, type ScoredGroup } from '../regime-w/group.ts'
import { readJsonl, writeJsonl } from '../runs/jsonl.ts'
import { summariseScores, type ScoreSummary } from '../rollouts/summary.ts'
import { ToldApartByPreset } from '../rollouts/told-apart.ts'

export interface RescoreSummary extends ScoreSummary {
  readonly preset: Preset
  /** Null where the scores were not written. */
  readonly output: string | null
}

/**
 * Scores any rollout file with a preset; every component is stored in the records of `out`.
 *
 * @throws ElenchusError `record_invalid` for a line that is no rollout group.
 */
export async function rescoreFile(
  path: string,
  options: { readonly preset: Preset; readonly settings?: RewardSettings; readonly out?: string },
): Promise<RescoreSummary> {
  const toldApart = new ToldApartByPreset()
  const groups: ScoredGroup[] = []
  for await (const group of readJsonl(path, rolloutGroupSchema)) {
    groups.push(toldApart.score(group, options.preset, options.settings))
  }
  if (options.out !== undefined) await writeJsonl(options.out, groups)
  return { preset: options.preset, ...summariseScores(groups, toldApart.soFar), output: options.out ?? null }
}
