import type { Formula, Term } from '../formula.ts'
import { thirdPerson } from './morphology.ts'
import { adjectiveOf } from './predicates.ts'
import { flattened, joined } from './render-prontoqa.ts'
import { capitalised } from './words.ts'

/** How a clause names its bound variable: on first mention, and afterwards. */
type Pronouns = { mentioned: boolean }

/** ProofWriter's English for a closed formula, null where its grammar has no such sentence. */
export function renderProofwriter(formula: Formula): string | null {
  const text = statement(formula)
  return text === null ? null : `${capitalised(text)}.`
}

function statement(formula: Formula): string | null {
  if (formula.kind === 'falsum') return 'there is a contradiction'
  const pronouns: Pronouns = { mentioned: false }
  if (formula.kind === 'forall') {
    if (formula.body.kind !== 'implies') return everything(formula.body)
    return conditional(formula.body.left, formula.body.right, pronouns)
  }
  if (formula.kind === 'implies') return conditional(formula.left, formula.right, pronouns)
  return (
    clauses(formula, pronouns, false) ??
    (formula.kind === 'not' ? joined(['it is not the case that', statement(formula.body)]) : null)
  )
}

function everything(body: Formula): string | null {
  const denied = body.kind === 'not'
  const atom = denied ? body.body : body
  const adjective =
    atom.kind === 'atom' && atom.terms[0]?.kind === 'bound' ? adjectiveOf(atom.predicate) : null
  return adjective === null ? null : `all things are ${denied ? 'not ' : ''}${adjective}`
}

function conditional(left: Formula, right: Formula, pronouns: Pronouns): string | null {
  // The condition comes first: it is where "something" must be mentioned.
  const condition = clauses(left, pronouns, true)
  return joined(['if', condition, 'then', clauses(right, pronouns, false)])
}

function clauses(formula: Formula, pronouns: Pronouns, mayIntroduce: boolean): string | null {
  if (formula.kind !== 'and' && formula.kind !== 'or') return clause(formula, pronouns, mayIntroduce)
  const connective = formula.kind
  const operands = flattened(formula, connective).map((operand, index) =>
    clause(operand, pronouns, mayIntroduce && index === 0),
  )
  return joined(operands.flatMap((operand, index) => (index === 0 ? [operand] : [connective, operand])))
}

function clause(formula: Formula, pronouns: Pronouns, mayIntroduce: boolean): string | null {
  const denied = formula.kind === 'not'
  const atom = denied ? formula.body : formula
  if (atom.kind !== 'atom') return null
  const [subject, object] = atom.terms
  if (subject === undefined) return null
  const adjective = adjectiveOf(atom.predicate)
  const named = subjectText(subject, pronouns, mayIntroduce)
  if (adjective !== null) {
    return atom.terms.length === 1 ? joined([named, denied ? 'is not' : 'is', adjective]) : null
  }
  if (atom.terms.length !== 2 || object?.kind !== 'constant') return null
  const verb = denied ? `does not ${atom.predicate}` : thirdPerson(atom.predicate)
  return joined([named, verb, object.name])
}

function subjectText(term: Term, pronouns: Pronouns, mayIntroduce: boolean): string | null {
  if (term.kind === 'constant') return term.name
  if (pronouns.mentioned) return 'it'
  if (!mayIntroduce) return null
  pronouns.mentioned = true
  return 'something'
}
