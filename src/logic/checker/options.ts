import { ASSUME } from '../rules/assume.ts'
import { BICONDITIONAL_ELIM, BICONDITIONAL_INTRO } from '../rules/biconditional.ts'
import {
  CONDITIONAL_PROOF,
  HYPOTHETICAL_SYLLOGISM,
  MODUS_PONENS,
  MODUS_TOLLENS,
} from '../rules/conditional.ts'
import { AND_ELIM, AND_INTRO } from '../rules/conjunction.ts'
import { CASE_SPLIT, DISJUNCTIVE_SYLLOGISM, OR_INTRO } from '../rules/disjunction.ts'
import { CONTRADICTION, DOUBLE_NEGATION, REDUCTIO } from '../rules/negation.ts'
import {
  EXIST_GENERALIZATION,
  EXIST_INSTANTIATION,
  UNIV_GENERALIZATION,
  UNIV_INSTANTIATION,
  UNIV_INSTANTIATION_NAMED,
} from '../rules/quantifier.ts'
import type { Form } from '../rules/rule.ts'

/** The inference rules, by the name that a trace uses. CONCLUDE is none: it derives nothing and ends the trace. */
export const RULES: ReadonlyMap<string, readonly Form[]> = new Map<string, readonly Form[]>([
  ['MODUS_PONENS', [MODUS_PONENS]],
  ['MODUS_TOLLENS', [MODUS_TOLLENS]],
  ['HYPOTHETICAL_SYLLOGISM', [HYPOTHETICAL_SYLLOGISM]],
  ['DISJUNCTIVE_SYLLOGISM', [DISJUNCTIVE_SYLLOGISM]],
  ['UNIV_INSTANTIATION', [UNIV_INSTANTIATION]],
  ['SUBST', [UNIV_INSTANTIATION, UNIV_INSTANTIATION_NAMED]],
  ['UNIV_GENERALIZATION', [UNIV_GENERALIZATION]],
  ['EXIST_INSTANTIATION', [EXIST_INSTANTIATION]],
  ['EXIST_GENERALIZATION', [EXIST_GENERALIZATION]],
  ['AND_INTRO', [AND_INTRO]],
  ['AND_ELIM', [AND_ELIM]],
  ['OR_INTRO', [OR_INTRO]],
  ['ASSUME', [ASSUME]],
  ['CONDITIONAL_PROOF', [CONDITIONAL_PROOF]],
  ['CONTRADICTION', [CONTRADICTION, REDUCTIO]],
  ['CASE_SPLIT', [CASE_SPLIT]],
  ['BICONDITIONAL_INTRO', [BICONDITIONAL_INTRO]],
  ['BICONDITIONAL_ELIM', [BICONDITIONAL_ELIM]],
  ['DOUBLE_NEGATION', [DOUBLE_NEGATION]],
])

export const CONCLUDE = 'CONCLUDE'

/** Every name that an alias may stand for. */
export const OPTION_NAMES: readonly string[] = [...RULES.keys(), CONCLUDE]

/** Other systems' names for our options, such as `RULE` for `MODUS_PONENS`. */
export type Aliases = ReadonlyMap<string, string>

export const NO_ALIASES: Aliases = new Map()

/** The option's own name for a name that a trace uses; unknown names stay as they are. */
export function resolveOption(name: string, aliases: Aliases): string {
  return aliases.get(name) ?? name
}
