import type { ScoredGroup } from './group.ts'
import { rewardWithoutLength } from './rescore.ts'

/** How many correct trajectories a preset can tell from another correct one of the same question. */
export interface Discrimination {
  /** Correct trajectories that have another correct one, of another text, beside them. */
  readonly comparable: number
  /** Of these, how many differ from at least one such other in reward by more than the threshold. */
  readonly toldApart: number
  /** The same without the length term of the reward. */
  readonly toldApartBeyondLength: number
  /** toldApart / comparable; null if nothing is comparable. */
  readonly share: number | null
  readonly shareBeyondLength: number | null
}

/** Over all groups; texts that occur more than once in a question count once. */
export function discrimination(groups: Iterable<ScoredGroup>, threshold: number): Discrimination {
  let [comparable, toldApart, toldApartBeyondLength] = [0, 0, 0]
  for (const { trajectories } of groups) {
    const correct = new Map(
      trajectories.filter(({ correct }) => correct).map((trajectory) => [trajectory.full_text, trajectory]),
    )
    if (correct.size < 2) continue
    comparable += correct.size
    toldApart += countSeparated(
      [...correct.values()].map(({ reward }) => reward),
      threshold,
    )
    toldApartBeyondLength += countSeparated(
      [...correct.values()].map(({ components }) => rewardWithoutLength(components)),
      threshold,
    )
  }
  const share = (count: number) => (comparable === 0 ? null : count / comparable)
  return {
    comparable,
    toldApart,
    toldApartBeyondLength,
    share: share(toldApart),
    shareBeyondLength: share(toldApartBeyondLength),
  }
}

/** A value differs from another by more than the threshold iff it does so from the least or the greatest. */
function countSeparated(values: readonly number[], threshold: number): number {
  const [least, greatest] = [Math.min(...values), Math.max(...values)]
  return values.filter((value) => value - least > threshold || greatest - value > threshold).length
}
