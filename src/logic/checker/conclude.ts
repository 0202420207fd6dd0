import type { Formula, FormulaStore } from '../formula.ts'
import { LABELS, type Entailment, type Label } from '../truth.ts'
import { refuse, type Refusal } from './codes.ts'
import type { Action } from './step.ts'
import type { Warrant } from './judgement.ts'
import type { Line, Proof } from './proof.ts'

/** The label that a CONCLUDE names: [0] TRUE, [1] FALSE, [2] UNKNOWN. */
export function readLabel({ args }: Action): Label | Refusal {
  if (args.length !== 1) return refuse('arity', `CONCLUDE takes 1 argument, not ${args.length}.`)
  const [arg] = args
  const label = typeof arg === 'number' ? LABELS[arg] : undefined
  return label ?? refuse('argument_type', 'CONCLUDE takes 0 (TRUE), 1 (FALSE) or 2 (UNKNOWN).')
}

/** On whose authority the label holds, given the lines of the proof. */
export function findWarrant(proof: Proof, label: Label, entailment: Entailment | null): Warrant | Refusal {
  if (label === 'UNKNOWN') {
    return entailment === 'unknown'
      ? 'solver'
      : refuse(
          'not_warranted',
          'The stored entailment of the problem does not say that the query is unknown.',
        )
  }
  const wanted = label === 'TRUE' ? [proof.query] : negationsOf(proof.store, proof.query)
  const lines = wanted.flatMap((formula): readonly Line[] => proof.linesOf(formula))
  if (lines.some((line) => proof.restsOnPremisesOnly(line.restsOn))) return 'proof'
  const what = label === 'TRUE' ? 'The query' : 'The negation of the query'
  const last = lines.at(-1)
  if (last === undefined) return refuse('not_warranted', `${what} has not been derived.`)
  const open = proof.assumptionsIn(last.restsOn).map((index) => `[${index}]`)
  return refuse(
    'undischarged_assumption',
    `${what} stands in line [${last.index}], but still rests on the assumption ${open.join(', ')}.`,
  )
}

/** "not P" for P; for not-P both P and not-not-P. */
function negationsOf(store: FormulaStore, formula: Formula): readonly Formula[] {
  return formula.kind === 'not' ? [formula.body, store.not(formula)] : [store.not(formula)]
}
