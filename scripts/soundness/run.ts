import { Z3Process } from '../../src/entailment/z3-process.ts'
import { check } from '../../src/logic/checker/check.ts'
import type { StepJudgement } from '../../src/logic/checker/judgement.ts'
import type { PreparedProblem } from '../../src/logic/checker/prepare.ts'
import type { ProofStep } from '../../src/logic/checker/step.ts'
import type { Formula } from '../../src/logic/formula.ts'
import { members } from '../../src/logic/index-set.ts'
import { renderFol } from '../../src/logic/language/render-fol.ts'
import { deriveSeed, Rng } from '../../src/random.ts'
import { isConsistent, opinionOf, type Witness } from './refute.ts'
import { StepGenerator, type KnownLine } from './steps.ts'
import { randomProblem } from './theories.ts'

export interface SoundnessReport {
  /** Steps that were judged, one candidate each. */
  readonly steps: number
  readonly theories: number
  readonly accepted: number
  readonly undecided: number
  /** Accepted steps that Z3 refutes: the checker is unsound if there is one. */
  readonly refuted: readonly string[]
  readonly options: Readonly<Record<string, { steps: number; accepted: number }>>
  readonly seconds: number
}

export interface SoundnessOptions {
  readonly steps: number
  readonly seed: number
  /** The checker under test; another one shows that a wrong checker is caught. */
  readonly checker?: typeof check
  readonly onProgress?: (done: number) => void
}

/** Valid steps of one proof; beyond it a fresh theory is more instructive. */
const PROOF_LENGTH = 24
/** Candidates drawn for one theory. */
const CANDIDATES = 150
/** Share of refused steps that stay in the proof, where they own an index. */
const KEEP_REFUSED = 0.05

/**
 * Grows random proofs over random consistent theories, one random step at a time, and asks Z3 about every
 * step that the checker accepts. The same seed gives the same theories and steps.
 */
export async function runSoundness(options: SoundnessOptions): Promise<SoundnessReport> {
  const began = performance.now()
  await using z3 = new Z3Process()
  const counts: Record<string, { steps: number; accepted: number }> = {}
  const totals = { steps: 0, theories: 0, accepted: 0, undecided: 0 }
  const refuted: string[] = []
  for (let theory = 0; totals.steps < options.steps; theory++) {
    const rng = new Rng(deriveSeed(options.seed, 'soundness', theory))
    const problem = randomProblem(rng)
    if (!(await isConsistent(z3, problem.premises))) continue
    totals.theories++
    const proof = new GrowingProof(problem, options.checker ?? check)
    const candidates = Math.min(CANDIDATES, options.steps - totals.steps)
    for (let i = 0; i < candidates && proof.steps.length < PROOF_LENGTH; i++) {
      const step: ProofStep = { action: proof.generator(rng).next(), problem: null, claims: [], quotes: [] }
      const name = step.action?.name ?? ''
      const count = (counts[name] ??= { steps: 0, accepted: 0 })
      totals.steps++
      count.steps++
      const judged = proof.tryStep(step)
      if (judged.verdict === 'invalid' || judged.derived === null) {
        if (rng.next() < KEEP_REFUSED) proof.keep(step, judged)
        continue
      }
      totals.accepted++
      count.accepted++
      const support = proof.support(judged)
      proof.keep(step, judged)
      const opinion = await opinionOf(z3, problem.store, support, judged.derived, proof.witnesses)
      if (opinion === 'undecided') totals.undecided++
      if (opinion === 'refuted') refuted.push(describe(theory, support, step, judged.derived))
    }
    options.onProgress?.(totals.steps)
  }
  return { ...totals, refuted, options: counts, seconds: (performance.now() - began) / 1000 }
}

class GrowingProof {
  readonly steps: ProofStep[] = []
  readonly witnesses: Witness[] = []
  readonly #problem: PreparedProblem
  readonly #checker: typeof check
  readonly #lines: KnownLine[]

  constructor(problem: PreparedProblem, checker: typeof check) {
    this.#problem = problem
    this.#checker = checker
    this.#lines = problem.premises.map((formula) => ({ formula, assumption: false }))
  }

  generator(rng: Rng): StepGenerator {
    return new StepGenerator(rng, this.#problem.store, this.#lines)
  }

  tryStep(step: ProofStep): StepJudgement {
    const judged = this.#checker(this.#problem, [...this.steps, step], { claims: 'ignored' }).steps.at(-1)
    if (judged === undefined) throw new Error('The checker has forgotten a step.')
    return judged
  }

  keep(step: ProofStep, { verdict, derived }: StepJudgement): void {
    this.steps.push(step)
    const valid = verdict !== 'invalid' && derived !== null
    this.#lines.push(valid ? { formula: derived, assumption: step.action?.name === 'ASSUME' } : null)
    if (!valid || step.action?.name !== 'EXIST_INSTANTIATION') return
    const [line, name] = step.action.args
    const existential = this.#lines[Number(line)]?.formula
    if (existential !== undefined) this.witnesses.push({ name: String(name), existential, instance: derived })
  }

  /** The premises and assumptions that the step says it rests on. */
  support({ restsOn, derived, index }: StepJudgement): Formula[] {
    return members(restsOn).flatMap((line) => {
      if (line === index && derived !== null) return [derived]
      const formula = this.#lines[line]?.formula
      if (formula === undefined) throw new Error(`The step rests on line [${line}], which does not exist.`)
      return [formula]
    })
  }
}

function describe(
  theory: number,
  support: readonly Formula[],
  { action }: ProofStep,
  derived: Formula,
): string {
  const step = `${action?.name}[${action?.args.join(', ')}]`
  return `theory ${theory}: ${support.map(renderFol).join('; ')} |/- ${renderFol(derived)} by ${step}`
}
