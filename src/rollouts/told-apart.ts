import { type CounterfactualScorer, rememberCounterfactuals } from '../regime-w/counterfactual.ts'
import { DiscriminationCounts } from '../regime-w/discrimination.ts'
import {
  PRESETS,
  type Preset,
  type RewardSettings,
  type RolloutGroup,
  type ScoredGroup,
} from '../regime-w/group.ts'
import { rescore } from '../regime-w/rescore.ts'

/** Share of the correct answers that a preset tells from another correct one of the same question. */
export interface ToldApart {
  readonly comparable: number
  readonly share: number | null
  readonly share_beyond_length: number | null
}

/** Differences in reward that are worth a pair; the default of `--threshold`. */
const THRESHOLD = 0.01

/** What each preset tells apart, at the threshold of the pairs, of groups that come one at a time in whatever order. */
export class ToldApartByPreset {
  readonly #counts = new Map(PRESETS.map((preset) => [preset, new DiscriminationCounts(THRESHOLD)]))

  /** Scores a group with one preset, and counts it with all of them. */
  score(group: RolloutGroup, preset: Preset, settings?: RewardSettings): ScoredGroup {
    // What the text of an answer says is the same for all presets.
    const counterfactual = rememberCounterfactuals()
    const scored = rescore(group, preset, settings, counterfactual)
    this.#count(scored, counterfactual)
    return scored
  }

  #count(scored: ScoredGroup, counterfactual: CounterfactualScorer): void {
    for (const [preset, counts] of this.#counts) {
      const settings = scored.settings ?? undefined
      counts.add(preset === scored.preset ? scored : rescore(scored, preset, settings, counterfactual))
    }
  }

  get soFar(): Record<Preset, ToldApart> {
    const of = (preset: Preset): ToldApart => {
      const { comparable, share, shareBeyondLength } = this.#counts.get(preset)!.soFar
      return { comparable, share, share_beyond_length: shareBeyondLength }
    }
    const [guide, looper8, trajectory] = PRESETS
    return { guide: of(guide), looper8: of(looper8), trajectory: of(trajectory) }
  }
}
