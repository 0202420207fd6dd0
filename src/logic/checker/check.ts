import { FormulaTooLarge, sameFormula, type Formula } from '../formula.ts'
import { EMPTY, type IndexSet } from '../index-set.ts'
import { MAX_OPEN_ASSUMPTIONS } from '../rules/assume.ts'
import { isRefusal } from '../rules/rule.ts'
import type { Label } from '../truth.ts'
import { bind } from './bind.ts'
import { checkClaims, checkConclusionClaims } from './claims.ts'
import { excerpt, refuse, type Refusal } from './codes.ts'
import { findWarrant, readLabel } from './conclude.ts'
import type { Judgement, Note, StepJudgement, Verdict, Warrant } from './judgement.ts'
import { CONCLUDE, NO_ALIASES, resolveOption, RULES, type Aliases } from './options.ts'
import type { PreparedProblem, Unverifiable } from './prepare.ts'
import { Proof, type Derived } from './proof.ts'
import type { Action, ClaimMode, ProofStep } from './step.ts'

/** Steps that a trace may have; later ones are `too_large`. */
export const MAX_STEPS = 1024

export interface CheckOptions {
  readonly claims: ClaimMode
  readonly aliases: Aliases
}

export const DEFAULT_CHECK: CheckOptions = { claims: 'required', aliases: NO_ALIASES }

/**
 * Judges the steps of one trace, up to and including its CONCLUDE; steps after it do not exist.
 *
 * Synchronous, deterministic and without effects outside the problem's formula store. The cost is linear
 * in the number of steps. What a step derives is decided by its option and arguments alone; the Thought
 * can only make it worse.
 */
export function check(
  problem: PreparedProblem | Unverifiable,
  steps: readonly ProofStep[],
  options: Partial<CheckOptions> = {},
): Judgement {
  const settings = { ...DEFAULT_CHECK, ...options }
  return problem.verifiable
    ? new Checker(problem, settings).run(steps)
    : unverifiable(problem, steps, settings.aliases)
}

class Checker {
  readonly #problem: PreparedProblem
  readonly #options: CheckOptions
  readonly #proof: Proof
  readonly #steps: StepJudgement[] = []
  /** Dependency sets of the formulas that were new; whether they count is known at the end. */
  readonly #progress: IndexSet[] = []

  constructor(problem: PreparedProblem, options: CheckOptions) {
    this.#problem = problem
    this.#options = options
    this.#proof = new Proof(problem.store, problem.premises, problem.query)
  }

  run(steps: readonly ProofStep[]): Judgement {
    for (const step of steps) {
      const { action } = step
      if (action !== null && resolveOption(action.name, this.#options.aliases) === CONCLUDE) {
        return this.#conclude(step, action)
      }
      this.#derive(step)
    }
    return this.#summary(null, null)
  }

  #derive(step: ProofStep): void {
    const proof = this.#proof
    const index = proof.lines.length
    const outcome = withinLimits(() => this.#apply(step))
    const derived = isRefusal(outcome) ? null : outcome.derived
    const repairs = isRefusal(outcome) ? 0 : outcome.repairs
    const refusal = isRefusal(outcome) ? outcome : this.#checkClaims(step, outcome.derived)
    const notes = this.#notes(step, repairs, derived?.formula ?? null)
    if (derived === null || refusal !== null) {
      proof.addInvalid()
      this.#record(index, 'invalid', refusal, derived, notes)
      return
    }
    if (proof.isKnown(derived)) {
      const redundant = refuse('redundant', 'This formula was there already, on no more assumptions.')
      proof.add(derived)
      this.#record(index, 'redundant', redundant, derived, notes)
      return
    }
    proof.add(derived)
    this.#progress.push(derived.restsOn)
    this.#record(index, 'valid', null, derived, notes)
  }

  #checkClaims({ claims }: ProofStep, { formula, assumption = false }: Derived): Refusal | null {
    return checkClaims(claims, formula, this.#options.claims, assumption)
  }

  #apply({ action, problem }: ProofStep): { derived: Derived; repairs: number } | Refusal {
    if (this.#steps.length >= MAX_STEPS) return tooManySteps()
    if (action === null) return refuse('malformed_action', problem ?? 'The step has no action.')
    const name = resolveOption(action.name, this.#options.aliases)
    const forms = RULES.get(name)
    if (forms === undefined) return refuse('unknown_option', `There is no option ${excerpt(action.name)}.`)
    const proof = this.#proof
    const application = bind(action.name, forms, action.args, proof, this.#problem.parser)
    if (isRefusal(application)) return application
    const outcome = application.form.apply(proof, application.args)
    if (isRefusal(outcome)) return outcome
    if (proof.assumptionsIn(outcome.restsOn).length > MAX_OPEN_ASSUMPTIONS) {
      return refuse('too_large', `A line may rest on ${MAX_OPEN_ASSUMPTIONS} assumptions at most.`)
    }
    return { derived: outcome, repairs: application.repairs }
  }

  #conclude(step: ProofStep, action: Action): Judgement {
    const label = readLabel(action)
    const warrant = typeof label === 'string' ? this.#warrant(step, label) : label
    const refusal = typeof warrant === 'string' ? null : warrant
    const notes = this.#notes(step, 0, null)
    this.#record(null, refusal === null ? 'valid' : 'invalid', refusal, null, notes)
    return this.#summary(
      typeof label === 'string' ? label : null,
      typeof warrant === 'string' ? warrant : null,
    )
  }

  #warrant(step: ProofStep, label: Label): Warrant | Refusal {
    if (this.#steps.length >= MAX_STEPS) return tooManySteps()
    const { query, entailment } = this.#problem
    const wrongClaim = checkConclusionClaims(step.claims, label, query, this.#options.claims)
    if (wrongClaim !== null) return wrongClaim
    if (this.#inconsistent()) {
      return refuse('inconsistent', 'The premises contradict each other, so any conclusion would follow.')
    }
    return withinLimits(() => findWarrant(this.#proof, label, entailment))
  }

  #inconsistent(): boolean {
    return this.#problem.entailment === 'inconsistent' || this.#proof.contradictory
  }

  /** Quotes under a wrong index, and supplied articles: reported, never a verdict. */
  #notes(step: ProofStep, repairs: number, derived: Formula | null): readonly Note[] {
    const notes: Note[] = []
    for (const quote of step.quotes) {
      // The index behind the claim is the one that this step will own.
      const own = quote.index === this.#proof.lines.length
      if (own && derived === null) continue
      const said = own ? derived : this.#proof.lines[quote.index]?.formula
      if (said && quote.formula !== null && sameFormula(said, quote.formula)) continue
      const message = `${excerpt(quote.text)} is not line [${quote.index}].`
      notes.push({ code: 'quote_mismatch', message })
    }
    const repaired = step.claims.some((claim) => claim.kind === 'formula' && claim.repairs > 0)
    if (repaired || repairs > 0) {
      notes.push({ code: 'article_repaired', message: 'A missing article was supplied.' })
    }
    return notes
  }

  #record(
    index: number | null,
    verdict: Verdict,
    reason: Refusal | null,
    derived: Derived | null,
    notes: readonly Note[],
  ): void {
    this.#steps.push({
      index,
      verdict,
      code: reason?.code ?? null,
      message: reason?.message ?? null,
      derived: derived?.formula ?? null,
      restsOn: derived?.restsOn ?? EMPTY,
      notes,
    })
  }

  #summary(label: Label | null, warrant: Warrant | null): Judgement {
    const steps = this.#steps
    let validSteps = 0
    for (const step of steps) if (step.verdict !== 'invalid') validSteps++
    let progress = warrant === null ? 0 : 1
    for (const restsOn of this.#progress) if (this.#proof.allDischarged(restsOn)) progress++
    return {
      status: this.#inconsistent() ? 'inconsistent' : 'judged',
      steps,
      label,
      warrant,
      valid: warrant !== null && validSteps === steps.length,
      validSteps,
      validityRate: steps.length === 0 ? 0 : progress / steps.length,
      traceCode: steps.at(-1)?.index === null ? null : 'no_conclusion',
    }
  }
}

/** What the work gives, or `too_large` where it would make a formula beyond the limits. */
function withinLimits<T>(work: () => T): T | Refusal {
  try {
    return work()
  } catch (error) {
    if (error instanceof FormulaTooLarge) return refuse('too_large', error.message)
    throw error
  }
}

function tooManySteps(): Refusal {
  return refuse('too_large', `A trace may have ${MAX_STEPS} steps at most.`)
}

/** Every step of a trace about an unverifiable problem is invalid; its label is read all the same. */
function unverifiable(problem: Unverifiable, steps: readonly ProofStep[], aliases: Aliases): Judgement {
  const { index, message } = problem.reasons[0] ?? { index: 'conclusion', message: 'it cannot be read' }
  const where = index === 'conclusion' ? 'The conclusion' : `Premise [${index}]`
  const reason = refuse('unverifiable', `${where} cannot be read: ${message}`)
  const judged: StepJudgement[] = []
  let label: Label | null = null
  for (const { action } of steps) {
    const concludes = action !== null && resolveOption(action.name, aliases) === CONCLUDE
    judged.push({
      index: concludes ? null : judged.length,
      verdict: 'invalid',
      code: reason.code,
      message: reason.message,
      derived: null,
      restsOn: EMPTY,
      notes: [],
    })
    if (!concludes) continue
    const read = readLabel(action)
    label = typeof read === 'string' ? read : null
    break
  }
  return {
    status: 'unverifiable',
    steps: judged,
    label,
    warrant: null,
    valid: false,
    validSteps: 0,
    validityRate: 0,
    traceCode: judged.at(-1)?.index === null ? null : 'no_conclusion',
  }
}
