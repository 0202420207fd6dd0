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
  const counts = new DiscriminationCounts(threshold)
  for (const group of groups) counts.add(group)
  return counts.soFar
}

/** {@link discrimination} of groups that come one at a time, in whatever order. */
export class DiscriminationCounts {
  readonly #threshold: number
  #comparable = 0
  #toldApart = 0
  #toldApartBeyondLength = 0

  constructor(threshold: number) {
    this.#threshold = threshold
  }

  add({ trajectories }: ScoredGroup): void {
    const correct = new Map(
      trajectories.filter((each) => each.correct).map((trajectory) => [trajectory.full_text, trajectory]),
    )
    if (correct.size < 2) return
    this.#comparable += correct.size
    this.#toldApart += countSeparated(
      [...correct.values()].map(({ reward }) => reward),
      this.#threshold,
    )
    this.#toldApartBeyondLength += countSeparated(
      [...correct.values()].map(({ components }) => rewardWithoutLength(components)),
      this.#threshold,
    )
  }

  get soFar(): Discrimination {
    const share = (count: number) => (this.#comparable === 0 ? null : count / this.#comparable)
    return {
      comparable: this.#comparable,
      toldApart: this.#toldApart,
      toldApartBeyondLength: this.#toldApartBeyondLength,
      share: share(this.#toldApart),
      shareBeyondLength: share(this.#toldApartBeyondLength),
    }
  }
}

/** A value differs from another by more than the threshold iff it does so from the least or the greatest. */
function countSeparated(values: readonly number[], threshold: number): number {
  const [least, greatest] = [Math.min(...values), Math.max(...values)]
  return values.filter((value) => value - least > threshold || greatest - value > threshold).length
}
