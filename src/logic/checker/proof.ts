import type { Formula, FormulaStore } from '../formula.ts'
import { isSubset, members, singleton, union, EMPTY, type IndexSet } from '../index-set.ts'
import { constantsOf } from '../substitution.ts'

/** One numbered formula: a premise, an assumption, or what a valid step derived. */
export interface Line {
  readonly index: number
  readonly formula: Formula
  /** Indices of the premises and assumptions that it rests on (Lemmon's dependency set). */
  readonly restsOn: IndexSet
  readonly assumption: boolean
}

/** What a rule derives, before the line has its number. */
export interface Derived {
  readonly formula: Formula
  readonly restsOn: IndexSet
  readonly assumption?: boolean
  /** Indices of the assumptions that this step discharges. */
  readonly discharges?: readonly number[]
  readonly witness?: string
}

/** The state of one proof: its lines, and what the conditions of the quantifier rules need to know. */
export class Proof {
  readonly store: FormulaStore
  readonly query: Formula
  readonly premiseCount: number
  /** By index; null where a step was invalid. */
  readonly lines: (Line | null)[] = []
  readonly #byFormula = new Map<number, Line[]>()
  /** Bodies (canonical) of the negations that rest on premises only. */
  readonly #denied = new Set<number>()
  readonly #constants = new Map<Formula, ReadonlySet<string>>()
  readonly #mentioned = new Set<string>()
  #scanned = 0
  /** Witness -> the constants it may depend on, itself included. */
  readonly #witnesses = new Map<string, ReadonlySet<string>>()
  readonly #open = new Set<number>()
  #discharged: IndexSet = EMPTY
  #contradictory = false

  constructor(store: FormulaStore, premises: readonly Formula[], query: Formula) {
    this.store = store
    this.query = query
    this.premiseCount = premises.length
    for (const formula of premises) this.add({ formula, restsOn: singleton(this.lines.length) })
  }

  /** Gives the next index to a valid line. */
  add(derived: Derived): Line {
    const { formula, restsOn, assumption = false } = derived
    const line: Line = { index: this.lines.length, formula, restsOn, assumption }
    this.lines.push(line)
    const known = this.#byFormula.get(formula.canonical)
    if (known === undefined) this.#byFormula.set(formula.canonical, [line])
    else known.push(line)
    if (assumption) this.#open.add(line.index)
    for (const index of derived.discharges ?? []) {
      this.#open.delete(index)
      this.#discharged = union(this.#discharged, singleton(index))
    }
    if (derived.witness !== undefined) this.#witnesses.set(derived.witness, this.#memory(formula))
    if (this.restsOnPremisesOnly(restsOn)) this.#noteContradiction(formula)
    return line
  }

  /** Gives the next index to an invalid step. */
  addInvalid(): void {
    this.lines.push(null)
  }

  /** Lines with the same formula (up to alpha-equivalence and commutativity), oldest first. */
  linesOf(formula: Formula): readonly Line[] {
    return this.#byFormula.get(formula.canonical) ?? []
  }

  restsOnPremisesOnly(restsOn: IndexSet): boolean {
    return isSubset(restsOn, EMPTY, this.premiseCount)
  }

  /** Whether some line already says this, on no more assumptions. */
  isKnown(derived: Derived): boolean {
    return this.linesOf(derived.formula).some((line) =>
      derived.assumption === true && line.assumption
        ? true
        : isSubset(line.restsOn, derived.restsOn, this.premiseCount),
    )
  }

  /** A line and its negation both rest on premises only, or falsum does. */
  get contradictory(): boolean {
    return this.#contradictory
  }

  /** Number of assumptions that no step has discharged yet. */
  get openAssumptions(): number {
    return this.#open.size
  }

  /** Assumptions among what a line rests on. */
  assumptionsIn(restsOn: IndexSet): number[] {
    return members(restsOn, this.premiseCount)
  }

  /** Whether each assumption of the set has been discharged by some step. */
  allDischarged(restsOn: IndexSet): boolean {
    return isSubset(restsOn, this.#discharged, this.premiseCount)
  }

  /** Whether the constant occurs in the query or in any line so far. */
  mentions(constant: string): boolean {
    if (this.#scanned === 0) for (const name of this.constants(this.query)) this.#mentioned.add(name)
    for (; this.#scanned < this.lines.length; this.#scanned++) {
      const line = this.lines[this.#scanned]
      if (line) for (const name of this.constants(line.formula)) this.#mentioned.add(name)
    }
    return this.#mentioned.has(constant)
  }

  constants(formula: Formula): ReadonlySet<string> {
    let names = this.#constants.get(formula)
    if (names === undefined) this.#constants.set(formula, (names = constantsOf(formula)))
    return names
  }

  isWitness(constant: string): boolean {
    return this.#witnesses.has(constant)
  }

  /** A witness in the formula whose choice may depend on the constant, if there is one. */
  dependentWitness(formula: Formula, constant: string): string | undefined {
    for (const name of this.constants(formula)) {
      if (this.#witnesses.get(name)?.has(constant)) return name
    }
    return undefined
  }

  /** The index of a premise or assumption among `restsOn` in which the constant occurs, if there is one. */
  supportMentioning(restsOn: IndexSet, constant: string): number | undefined {
    return members(restsOn).find((index) => {
      const line = this.lines[index]
      return line ? this.constants(line.formula).has(constant) : false
    })
  }

  /** The constants of a formula, and everything that the witnesses among them remember. */
  #memory(formula: Formula): ReadonlySet<string> {
    const memory = new Set<string>()
    for (const name of this.constants(formula)) {
      memory.add(name)
      for (const remembered of this.#witnesses.get(name) ?? []) memory.add(remembered)
    }
    return memory
  }

  #noteContradiction(formula: Formula): void {
    const contradicts =
      formula.kind === 'falsum' ||
      this.#denied.has(formula.canonical) ||
      (formula.kind === 'not' &&
        this.linesOf(formula.body).some((line) => this.restsOnPremisesOnly(line.restsOn)))
    if (contradicts) this.#contradictory = true
    if (formula.kind === 'not') this.#denied.add(formula.body.canonical)
  }
}
