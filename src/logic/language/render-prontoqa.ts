import type { Formula, Term } from '../formula.ts'
import { article } from './morphology.ts'
import { adjectiveOf, nounOf } from './predicates.ts'
import { capitalised } from './words.ts'

type Connective = 'and' | 'or'

/** PrOntoQA's English for a closed formula, null where its grammar has no such sentence. */
export function renderProntoqa(formula: Formula): string | null {
  const text = statement(formula)
  return text === null ? null : `${capitalised(text)}.`
}

function statement(formula: Formula): string | null {
  if (formula.kind === 'falsum') return 'there is a contradiction'
  if (formula.kind === 'implies') return joined(['if', clauses(formula.left), 'then', clauses(formula.right)])
  if (formula.kind === 'iff') return joined([clauses(formula.left), 'if and only if', clauses(formula.right)])
  return (
    clauses(formula) ??
    (formula.kind === 'not' ? joined(['it is not the case that', statement(formula.body)]) : null)
  )
}

/** One clause, or several joined by one connective, which the grammar groups to the left. */
function clauses(formula: Formula): string | null {
  const single = clause(formula)
  if (single !== null || (formula.kind !== 'and' && formula.kind !== 'or')) return single
  const connective = formula.kind
  const operands = flattened(formula, connective).map(clause)
  return joined(operands.flatMap((operand, index) => (index === 0 ? [operand] : [connective, operand])))
}

function clause(formula: Formula): string | null {
  if (formula.kind === 'exists') return joined(['something is', list(formula.body, BOUND)])
  if (formula.kind === 'forall') {
    const body = formula.body
    if (body.kind !== 'implies') return joined(['everything is', list(body, BOUND)])
    return joined([universalSubject(body.left), 'is', list(body.right, BOUND)])
  }
  const constant = onlyConstant(formula)
  return constant === null ? null : joined([constant.name, 'is', list(formula, constant)])
}

const BOUND: Term = { kind: 'bound', index: 0 }

function universalSubject(formula: Formula): string | null {
  const noun = nounPhrase(formula, BOUND)
  return noun === null ? joined(['everything that is', list(formula, BOUND)]) : `every ${noun}`
}

/** The items that a clause says of one individual: "a wumpus", "not red", "slow, a gorpus, and not shy". */
function list(formula: Formula, term: Term): string | null {
  const single = item(formula, term)
  if (single !== null) return single
  if (formula.kind === 'not') {
    const body = formula.body
    if (body.kind !== 'and' && body.kind !== 'or') return null
    const operands = flattened(body, body.kind)
    // "not" before a list denies the whole list only if no item has a "not" of its own.
    return operands.some(({ kind }) => kind === 'not')
      ? null
      : joined(['not', listed(operands, body.kind, term)])
  }
  if (formula.kind !== 'and' && formula.kind !== 'or') return null
  const operands = flattened(formula, formula.kind)
  const denied = operands.map(({ kind }) => kind === 'not')
  return denied[0] === true && denied.includes(false) ? null : listed(operands, formula.kind, term)
}

function listed(operands: readonly Formula[], connective: Connective, term: Term): string | null {
  const items = operands.map((operand) => item(operand, term))
  if (items.length === 2) return joined([items[0] ?? null, connective, items[1] ?? null])
  const last = items.pop() ?? null
  const first = items.includes(null) ? null : `${items.join(', ')},`
  return joined([first, connective, last])
}

function item(formula: Formula, term: Term): string | null {
  if (formula.kind === 'not')
    return formula.body.kind === 'not' ? null : joined(['not', item(formula.body, term)])
  const property = formula.kind === 'atom' && isAbout(formula, term) ? adjectiveOf(formula.predicate) : null
  if (property !== null) return property
  const noun = nounPhrase(formula, term)
  return noun === null ? null : `${article(noun)} ${noun}`
}

/** A class, or properties and a class in one phrase: "slow gorpus". */
function nounPhrase(formula: Formula, term: Term): string | null {
  const conjuncts = flattened(formula, 'and')
  const words: string[] = []
  for (const [index, conjunct] of conjuncts.entries()) {
    if (conjunct.kind !== 'atom' || !isAbout(conjunct, term)) return null
    const adjective = adjectiveOf(conjunct.predicate)
    if ((adjective === null) !== (index === conjuncts.length - 1)) return null
    words.push(adjective ?? nounOf(conjunct.predicate))
  }
  return words.join(' ')
}

function isAbout(atom: Extract<Formula, { kind: 'atom' }>, term: Term): boolean {
  const [only] = atom.terms
  if (atom.terms.length !== 1 || only === undefined) return false
  return only.kind === 'bound'
    ? term.kind === 'bound' && only.index === term.index
    : term.kind === 'constant' && only.name === term.name
}

/** The individual that every atom of a formula is about, null if there is none or there are several. */
function onlyConstant(formula: Formula): Extract<Term, { kind: 'constant' }> | null {
  if (formula.kind === 'not') return onlyConstant(formula.body)
  if (formula.kind === 'atom') {
    const [term] = formula.terms
    return formula.terms.length === 1 && term?.kind === 'constant' ? term : null
  }
  if (formula.kind !== 'and' && formula.kind !== 'or') return null
  const left = onlyConstant(formula.left)
  return left !== null && left === onlyConstant(formula.right) ? left : null
}

/** Operands of a chain of one connective that groups to the left. */
export function flattened(formula: Formula, connective: Connective): Formula[] {
  const operands: Formula[] = []
  let rest = formula
  while (rest.kind === connective) {
    operands.push(rest.right)
    rest = rest.left
  }
  operands.push(rest)
  return operands.reverse()
}

/** The parts with spaces between them, null if one of them cannot be said. */
export function joined(parts: readonly (string | null)[]): string | null {
  return parts.includes(null) ? null : parts.join(' ')
}
