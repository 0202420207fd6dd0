import type { Formula } from '../formula.ts'
import { universalPrefix } from '../matching.ts'

/** "For all x: condition -> consequence"; both sides refer to x as bound variable 0. */
export interface UniversalRule {
  readonly condition: Formula
  readonly consequence: Formula
}

/** The sides of a rule with one variable; null for any other formula. */
export function universalRule(formula: Formula): UniversalRule | null {
  const { variables, body } = universalPrefix(formula)
  return variables === 1 && body.kind === 'implies' ? { condition: body.left, consequence: body.right } : null
}

/** The operands of a conjunction or disjunction of any length; a formula of another kind is its own only operand. */
export function operandsOf(formula: Formula, kind: 'and' | 'or'): readonly Formula[] {
  if (formula.kind !== kind) return [formula]
  const found: Formula[] = []
  const waiting: Formula[] = [formula]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (next.kind === kind) waiting.push(next.right, next.left)
    else found.push(next)
  }
  return found
}
