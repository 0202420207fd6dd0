import type { Rng } from '../../src/random.ts'

/** Something that a run tells of itself: how far which stage is. */
export interface Moment {
  readonly stage: string
  /** Units done; -1 when the stage starts, Infinity when it has finished. */
  readonly done: number
}

export type Victim = 'orchestrator' | 'worker'

export interface Kill {
  readonly victim: Victim
  /** `start`: while processes start, before the run tells anything; `work`: once `moment` is reached. */
  readonly when: 'start' | 'work'
  /** Index into the moments of the undisturbed run. */
  readonly moment: number
  readonly delayMs: number
}

/** Kills while processes start, in one of so many. */
const START_EVERY = 8
const START_MS = 4000
const WORK_MS = 400

/** How many kills of each. */
export type Victims = Readonly<Record<Victim, number>>

/** Half of the kills for the orchestrator, who gets the odd one. */
export function halves(kills: number): Victims {
  return { orchestrator: Math.ceil(kills / 2), worker: Math.floor(kills / 2) }
}

/**
 * Random kills spread over the whole of an undisturbed run, in its order: one at a random moment of each of as
 * many equal parts as there are kills. Moments come at most ten times a second, so parts of a
 * run are hit as often as they take long; the delay reaches what lies between them.
 */
export function planKills({ orchestrator, worker }: Victims, moments: number, rng: Rng): Kill[] {
  const victims = rng.shuffle<Victim>([
    ...Array.from({ length: orchestrator }, () => 'orchestrator' as const),
    ...Array.from({ length: worker }, () => 'worker' as const),
  ])
  return victims.map((victim, index) => {
    const when = rng.int(START_EVERY) === 0 ? 'start' : 'work'
    return {
      victim,
      when,
      moment: Math.min(moments - 1, Math.floor(((index + rng.next()) / victims.length) * moments)),
      delayMs: rng.int(when === 'start' ? START_MS : WORK_MS),
    }
  })
}

/** Places moments of a disturbed run on the time line of the undisturbed one. */
export class TimeLine {
  readonly moments: readonly Moment[]

  constructor(moments: readonly Moment[]) {
    this.moments = moments
  }

  /** The last moment of the undisturbed run that is not after this one; -1 for a stage it never had. */
  place({ stage, done }: Moment): number {
    return this.moments.findLastIndex((moment) => moment.stage === stage && moment.done <= done)
  }
}
