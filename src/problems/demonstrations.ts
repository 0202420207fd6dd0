import { ElenchusError } from '../errors.ts'
import { deriveSeed, Rng } from '../random.ts'
import { claimedLine, quotedLine, renderConclusion } from './gold.ts'
import type { GoldStep, Problem } from './problem.ts'

export interface DemonstrationOptions {
  /** Share of the problems whose demonstration is careless, in [0, 1]. */
  readonly carelessShare: number
  /** In a careless demonstration, the probability that an application of modus ponens has its arguments swapped. */
  readonly swapShare: number
  /** The probability that a careless demonstration breaks off before it is done and concludes at random. */
  readonly guessShare: number
  /** Steps before it breaks off; a proof that is no longer than that stays whole. @default any number, at random */
  readonly guessAfter?: number | undefined
  readonly seed: number
}

const MODUS_PONENS = /^(<Option type="MODUS_PONENS" args="\[)(\d+), (\d+)(\]" \/>)$/

/**
 * A demonstration for SFT: the problem's gold proof, or a careless version of it.
 *
 * The careless ones are a planted imperfection, for a model that is trained on the spot. A model that has only
 * seen too little does not improve by preferences; one that has seen careful and careless work has the right
 * behaviour in it, to be selected. Whether and how a demonstration is careless depends on the seed and the
 * problem's name only.
 *
 * @returns the steps of the demonstration; a careful one is the gold proof itself.
 * @throws ElenchusError `record_invalid` if the problem has no gold proof, or one that {@link renderProof} did not write
 *   and whose demonstration is to break off.
 */
export function demonstrate(problem: Problem, options: DemonstrationOptions): readonly GoldStep[] {
  const { gold } = problem
  if (gold === undefined) {
    throw new ElenchusError(
      'record_invalid',
      `Problem ${problem.problem_id} has no gold proof to demonstrate.`,
    )
  }
  const rng = new Rng(deriveSeed(options.seed, 'demonstration', problem.problem_id))
  if (rng.next() >= options.carelessShare) return gold
  const steps = rng.next() < options.guessShare ? brokenOff(problem, gold, rng, options.guessAfter) : gold
  return steps.map((step) => (rng.next() < options.swapShare ? withSwappedArguments(step) : step))
}

function withSwappedArguments(step: GoldStep): GoldStep {
  return { ...step, action: step.action.replace(MODUS_PONENS, '$1$3, $2$4') }
}

/** The beginning of the proof, and then TRUE or FALSE, whatever the line says that was reached. */
function brokenOff(
  problem: Problem,
  gold: readonly GoldStep[],
  rng: Rng,
  after: number | undefined,
): readonly GoldStep[] {
  const derivations = gold.length - 1
  if (derivations <= (after ?? 0)) return gold
  const kept = gold.slice(0, after ?? rng.int(derivations))
  const last = kept.at(-1)
  const reached = last === undefined ? quotedLine(gold[0]!) : claimedLine(last)
  if (reached === undefined) {
    const message = `Problem ${problem.problem_id}: step ${kept.length} of its gold proof is not in the form of our gold proofs.`
    throw new ElenchusError('record_invalid', message, {
      hint: 'Remove `gold` from the record to have it searched for, or set careless_share to 0.',
    })
  }
  return [...kept, renderConclusion(problem, reached, rng.pick(['TRUE', 'FALSE']))]
}
