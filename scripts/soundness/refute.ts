import { satisfiabilityScript } from '../../src/entailment/smtlib.ts'
import type { Z3Process } from '../../src/entailment/z3-process.ts'
import type { Formula, FormulaStore } from '../../src/logic/formula.ts'
import { constantsOf } from '../../src/logic/substitution.ts'

export type Opinion = 'entailed' | 'refuted' | 'undecided'

/** A witness with the line that it came from: there is an x with P(x), so P(w). */
export interface Witness {
  readonly name: string
  readonly existential: Formula
  readonly instance: Formula
}

const RLIMIT = 5_000_000
const TIMEOUT_MS = 20_000

/**
 * Whether Z3 finds that `support` does not entail `formula`.
 *
 * A line with a witness is no consequence of its premises alone: it says something of an individual that
 * EXIST_INSTANTIATION chose. What the checker promises of it is entailment by the support together with
 * the Skolem axioms (there is an x with P(x)) -> P(w) of the witnesses so far. Each axiom is conservative:
 * its witness was new, so every model of what came before can be given one. Hence a line that mentions no
 * witness, resting on nothing that does, must be entailed without any axiom, and that is what is asked of
 * it. This is stricter than the axioms would be, and it is what a conclusion is held to.
 */
export async function opinionOf(
  z3: Z3Process,
  store: FormulaStore,
  support: readonly Formula[],
  formula: Formula,
  witnesses: readonly Witness[],
): Promise<Opinion> {
  const names = new Set(witnesses.map(({ name }) => name))
  const mentions = (sentence: Formula): boolean => [...constantsOf(sentence)].some((name) => names.has(name))
  const axioms = [...support, formula].some(mentions)
    ? witnesses.map(({ existential, instance }) => store.binary('implies', existential, instance))
    : []
  const script = satisfiabilityScript([...support, ...axioms, store.not(formula)])
  const answer = await z3.ask({ script, rlimit: RLIMIT, timeoutMs: TIMEOUT_MS })
  if (answer.kind === 'refused') throw new Error(`Z3 cannot read the script: ${answer.message}\n${script}`)
  if (answer.kind === 'gave-up') return 'undecided'
  return answer.kind === 'unsat' ? 'entailed' : 'refuted'
}

/** Whether the premises have a model; theories without one would make every step sound. */
export async function isConsistent(z3: Z3Process, premises: readonly Formula[]): Promise<boolean> {
  const script = satisfiabilityScript(premises)
  return (await z3.ask({ script, rlimit: RLIMIT, timeoutMs: TIMEOUT_MS })).kind === 'sat'
}
