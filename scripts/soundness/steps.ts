import type { Argument } from '../../src/logic/checker/bind.ts'
import { RULES } from '../../src/logic/checker/options.ts'
import type { Action } from '../../src/logic/checker/step.ts'
import { sameFormula, type Formula, type FormulaStore } from '../../src/logic/formula.ts'
import { renderFol } from '../../src/logic/language/render-fol.ts'
import { universalPrefix } from '../../src/logic/matching.ts'
import { constantsOf } from '../../src/logic/substitution.ts'
import type { ArgumentKind } from '../../src/logic/rules/rule.ts'
import type { Rng } from '../../src/random.ts'
import { CONSTANTS, randomFormula } from './theories.ts'

/** A line as the generator sees it; null for one of an invalid step. */
export type KnownLine = { readonly formula: Formula; readonly assumption: boolean } | null

const NAMES = [...RULES.keys()]
/** Old constants are in it too: reused witnesses and particular individuals are what the conditions are about. */
const INDIVIDUALS = [...CONSTANTS, 'e', 'f', 'v', 'w']

/** Share of arguments chosen with an eye to what the rule wants; the others are drawn blindly. */
const GUIDED = 0.8

const body = (formula: Formula): Formula['kind'] => universalPrefix(formula).body.kind
const isChoice = (formula: Formula): boolean => formula.kind === 'or' || formula.kind === 'xor'

/** Which formulas a rule wants in the n-th place, where it is particular about it. */
const WANTED: Readonly<Record<string, readonly (((formula: Formula) => boolean) | null)[]>> = {
  MODUS_PONENS: [null, (formula) => body(formula) === 'implies'],
  MODUS_TOLLENS: [(formula) => formula.kind === 'not', (formula) => body(formula) === 'implies'],
  HYPOTHETICAL_SYLLOGISM: [
    (formula) => body(formula) === 'implies',
    (formula) => body(formula) === 'implies',
  ],
  DISJUNCTIVE_SYLLOGISM: [isChoice, null],
  UNIV_INSTANTIATION: [(formula) => formula.kind === 'forall'],
  SUBST: [(formula) => formula.kind === 'forall'],
  EXIST_INSTANTIATION: [(formula) => formula.kind === 'exists'],
  AND_ELIM: [(formula) => formula.kind === 'and'],
  CASE_SPLIT: [isChoice],
  BICONDITIONAL_INTRO: [(formula) => formula.kind === 'implies', (formula) => formula.kind === 'implies'],
  BICONDITIONAL_ELIM: [(formula) => formula.kind === 'iff'],
  DOUBLE_NEGATION: [(formula) => formula.kind === 'not' && formula.body.kind === 'not'],
}

/** Draws actions over all rules, mostly wrong ones, for a proof that stands at the given lines. */
export class StepGenerator {
  readonly #rng: Rng
  readonly #store: FormulaStore
  readonly #lines: readonly KnownLine[]

  constructor(rng: Rng, store: FormulaStore, lines: readonly KnownLine[]) {
    this.#rng = rng
    this.#store = store
    this.#lines = lines
  }

  next(): Action {
    const rng = this.#rng
    const name = rng.pick(NAMES)
    const form = rng.pick(RULES.get(name) ?? [])
    const guided = rng.next() < GUIDED ? this.#guided(name, form.signature.length) : null
    if (guided !== null) return { name, args: guided }
    const args = form.signature.map((kind, position) => this.#argument(name, kind, position))
    return { name, args: rng.next() < 0.03 ? args.slice(1) : args }
  }

  /** Arguments of the rules that two or more lines must fit together for. */
  #guided(name: string, length: number): Argument[] | null {
    switch (name) {
      case 'MODUS_PONENS':
        return this.#ruleAndFact((left) => left)
      case 'MODUS_TOLLENS':
        return this.#ruleAndFact((_left, right) => this.#store.negation(right))
      case 'DISJUNCTIVE_SYLLOGISM':
        return this.#disjunctiveSyllogism()
      case 'CASE_SPLIT':
        return this.#caseSplit()
      case 'CONTRADICTION':
        return this.#contradiction(length)
      case 'UNIV_GENERALIZATION':
      case 'EXIST_GENERALIZATION':
        return this.#lineAndConstant()
      default:
        return null
    }
  }

  #ruleAndFact(wanted: (left: Formula, right: Formula) => Formula): number[] | null {
    const rule = this.#lineWhere((formula) => body(formula) === 'implies')
    const formula = this.#lines[rule]?.formula
    const implication = formula === undefined ? null : universalPrefix(formula).body
    if (implication?.kind !== 'implies') return null
    const part = wanted(implication.left, implication.right)
    return [this.#lineWhere((other) => resembles(other, part)), rule]
  }

  #disjunctiveSyllogism(): number[] | null {
    const choice = this.#lineWhere(isChoice)
    const formula = this.#lines[choice]?.formula
    if (formula?.kind !== 'or' && formula?.kind !== 'xor') return null
    const side = this.#rng.pick([formula.left, formula.right])
    const wanted = this.#rng.next() < 0.2 ? side : this.#store.negation(side)
    return [choice, this.#lineWhere((other) => resembles(universalPrefix(other).body, wanted))]
  }

  #lineAndConstant(): Argument[] | null {
    const line = this.#lineWhere((formula) => constantsOf(formula).size > 0)
    const formula = this.#lines[line]?.formula
    if (formula === undefined) return null
    const names = [...constantsOf(formula)]
    return names.length === 0 ? null : [line, this.#rng.pick(names)]
  }

  #argument(name: string, kind: ArgumentKind, position: number): Argument {
    const rng = this.#rng
    switch (kind) {
      case 'line':
        return this.#lineWhere(WANTED[name]?.[position] ?? null)
      case 'assumption':
        return this.#assumption(null)
      case 'constant':
        return rng.pick(INDIVIDUALS)
      case 'side':
      case 'direction':
        return rng.int(2)
      case 'predicate':
        return rng.pick(['P', 'Q', 'R', 'S', 'T'])
      case 'formula':
        return renderFol(this.#formula())
    }
  }

  /** An index: of a line with the wanted form if there is one, now and then of any line, or of none. */
  #lineWhere(wanted: ((formula: Formula) => boolean) | null): number {
    const rng = this.#rng
    const fitting =
      wanted === null || rng.next() > GUIDED ? [] : this.#indices((line) => wanted(line.formula))
    if (fitting.length > 0) return rng.pick(fitting)
    return rng.next() < 0.02 ? this.#lines.length : rng.int(this.#lines.length)
  }

  #assumption(formula: Formula | null): number {
    const rng = this.#rng
    const fitting = this.#indices(
      (line) => line.assumption && (formula === null || sameFormula(line.formula, formula)),
    )
    return fitting.length > 0 && rng.next() < GUIDED ? rng.pick(fitting) : rng.int(this.#lines.length)
  }

  #caseSplit(): number[] {
    const rng = this.#rng
    const choice = this.#lineWhere(
      (formula) => sides(formula).every((side) => this.#assumed(side)) && isChoice(formula),
    )
    const line = this.#lines[choice]
    const [first = null, second = null] = line ? sides(line.formula) : []
    const cases = rng.next() < 0.2 ? [second, first] : [first, second]
    const end = rng.int(this.#lines.length)
    const target = this.#lines[end]?.formula
    const same = target === undefined ? [] : this.#indices(({ formula }) => sameFormula(formula, target))
    const otherEnd = same.length > 0 ? rng.pick(same) : end
    return [choice, this.#assumption(cases[0] ?? null), end, this.#assumption(cases[1] ?? null), otherEnd]
  }

  #assumed(formula: Formula): boolean {
    return this.#indices((line) => line.assumption && sameFormula(line.formula, formula)).length > 0
  }

  #contradiction(length: number): number[] {
    const first = this.#lineWhere(null)
    const formula = this.#lines[first]?.formula
    const denial = formula === undefined ? null : this.#store.negation(formula)
    const second = this.#lineWhere(denial === null ? null : (other) => sameFormula(other, denial))
    return length === 2 ? [first, second] : [first, second, this.#assumption(null)]
  }

  /** For ASSUME and OR_INTRO: part of a line or its negation, so that it can be used, or something new. */
  #formula(): Formula {
    const rng = this.#rng
    const choices = this.#indices(({ formula }) => isChoice(formula))
    const line =
      choices.length > 0 && rng.next() < 0.4 ? this.#lines[rng.pick(choices)] : rng.pick(this.#lines)
    if (!line || rng.next() < 0.2) return randomFormula(rng, this.#store, 2)
    const parts = closedParts(line.formula)
    const part = rng.pick(parts)
    return rng.next() < 0.3 ? this.#store.negation(part) : part
  }

  #indices(fits: (line: Exclude<KnownLine, null>) => boolean): number[] {
    return this.#lines.flatMap((line, index) => (line !== null && fits(line) ? [index] : []))
  }
}

function sides(formula: Formula): Formula[] {
  return formula.kind === 'or' || formula.kind === 'xor' ? [formula.left, formula.right] : []
}

/** Whether the formulas have the same shape on top, and so might be instances of each other. */
function resembles(a: Formula, b: Formula): boolean {
  if (a.kind !== b.kind || a.size !== b.size) return false
  if (a.kind === 'not' && b.kind === 'not') return resembles(a.body, b.body)
  return a.kind !== 'atom' || b.kind !== 'atom' || a.predicate === b.predicate
}

function closedParts(formula: Formula): Formula[] {
  const parts = formula.open === 0 ? [formula] : []
  if (formula.kind === 'falsum' || formula.kind === 'atom' || formula.kind === 'equals') return parts
  if ('body' in formula) return [...parts, ...closedParts(formula.body)]
  return [...parts, ...closedParts(formula.left), ...closedParts(formula.right)]
}
