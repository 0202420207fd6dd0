import type { Formula, Term } from '../formula.ts'

const SIGNS = { and: '∧', or: '∨', xor: '⊕', implies: '→', iff: '↔', forall: '∀', exists: '∃' } as const
const FRESH = ['x', 'y', 'z', 'w', 'u', 'v']

/** Unicode first-order text. Every operand that is itself binary or an equation stands in parentheses. */
export function renderFol(formula: Formula): string {
  return render(formula, [])
}

function render(formula: Formula, scope: readonly string[]): string {
  if (formula.kind === 'falsum') return '⊥'
  if (formula.kind === 'atom') {
    const predicate = name(formula.predicate)
    if (formula.terms.length === 0) return predicate
    return `${predicate}(${formula.terms.map((each) => term(each, scope)).join(', ')})`
  }
  if (formula.kind === 'equals') return `${term(formula.left, scope)} = ${term(formula.right, scope)}`
  if (formula.kind === 'not') return `¬${operand(formula.body, scope)}`
  if (!('left' in formula)) {
    const variable = freshVariable(formula.variable, scope)
    return `${SIGNS[formula.kind]}${variable} ${operand(formula.body, [...scope, variable])}`
  }
  return `${operand(formula.left, scope)} ${SIGNS[formula.kind]} ${operand(formula.right, scope)}`
}

function operand(formula: Formula, scope: readonly string[]): string {
  const text = render(formula, scope)
  return 'left' in formula ? `(${text})` : text
}

function term(each: Term, scope: readonly string[]): string {
  return each.kind === 'constant'
    ? name(each.name)
    : (scope[scope.length - 1 - each.index] ?? `#${each.index}`)
}

/** English names ("the bald eagle") become one word. */
function name(text: string): string {
  return text.replaceAll(' ', '_')
}

/** The formula's own name for its variable, unless an outer variable has it already or it could be a constant's. */
function freshVariable(hint: string, scope: readonly string[]): string {
  const candidates = /^[u-z]\d?$/.test(hint) ? [hint, ...FRESH] : FRESH
  const free = candidates.find((each) => !scope.includes(each))
  if (free !== undefined) return free
  for (const letter of FRESH) {
    for (let digit = 0; digit < 10; digit += 1) {
      if (!scope.includes(letter + digit)) return letter + digit
    }
  }
  return `x${scope.length}`
}
