import type { StepInput, StepResult, TrainingSession } from '../backends/backend.ts'
import { throwIfCancelled } from '../errors.ts'

export interface StepSequence {
  readonly session: TrainingSession
  readonly first: number
  readonly last: number
  readonly inputOf: (step: number) => StepInput
  /** What step `step` gives decides whether there is a next one, or has to be stored before it. */
  readonly decides: (step: number) => boolean
  readonly signal?: AbortSignal | undefined
}

export interface StepTaken {
  readonly step: number
  readonly result: StepResult
  /** Since it was asked for, or since the end of the step before it if that was later. */
  readonly seconds: number
}

interface Asked {
  readonly at: number
  readonly taken: Promise<{ readonly result: StepResult; readonly at: number }>
}

/**
 * The results of optimiser steps, in order. Where the session keeps a queue and the present step decides nothing, the
 * next one is asked for while it is under way: what is done here with a result costs the workers no time then.
 *
 * Ends, also when it is left early or fails, with no step under way.
 */
export async function* takeSteps(sequence: StepSequence): AsyncGenerator<StepTaken, void, undefined> {
  const { session, first, last, decides, signal } = sequence
  const asked: Asked[] = []
  const ask = (step: number): void => {
    throwIfCancelled(signal, 'Training')
    const at = performance.now()
    const taken = session.step(sequence.inputOf(step)).then((result) => ({ result, at: performance.now() }))
    // It is waited for when its turn comes; until then its failure is nobody's.
    taken.catch(() => undefined)
    asked.push({ at, taken })
  }
  let free = 0
  let next = first
  try {
    for (let step = first; step <= last; step++) {
      const end = session.queuesSteps === true && !decides(step) ? Math.min(step + 1, last) : step
      while (next <= end) ask(next++)
      const { at, taken } = asked[0]!
      const { result, at: ended } = await taken
      asked.shift()
      yield { step, result, seconds: (ended - Math.max(at, free)) / 1000 }
      free = ended
    }
  } finally {
    await Promise.allSettled(asked.map(({ taken }) => taken))
  }
}
