import { describe, expect, test } from 'vitest'
import { OPTION_NAMES } from '../../../src/logic/checker/options.ts'
import { expectProof } from './script.ts'

/** Premises, then steps with what each must give. Every rule is shown accepting and refusing, in each direction. */
type Case = readonly [name: string, premises: readonly string[], script: readonly string[]]

const CASES: Record<string, readonly Case[]> = {
  MODUS_PONENS: [
    ['applies an implication', ['P(a)', 'P(a) -> Q(a)'], ['MODUS_PONENS 0, 1 => Q(a)']],
    ['applies a universal rule', ['P(a)', '∀x (P(x) → Q(x))'], ['MODUS_PONENS 0, 1 => Q(a)']],
    [
      'finds the instance of several variables',
      ['R(a, b)', '∀x ∀y (R(x, y) → S(y, x))'],
      ['MODUS_PONENS 0, 1 => S(b, a)'],
    ],
    [
      'matches up to the order of "and", at any depth',
      ['¬((C(a) ∨ B(a)) ∧ A(a))', '∀x (¬(A(x) ∧ (B(x) ∨ C(x))) → D(x))'],
      ['MODUS_PONENS 0, 1 => D(a)'],
    ],
    [
      'goes back to the other order when the first leaves a later part without instance',
      ['(P(a) ∧ P(b)) ∧ Q(b)', '∀x ∀y ((P(x) ∧ P(y)) ∧ Q(x) → R(x, y))'],
      ['MODUS_PONENS 0, 1 => R(b, a)'],
    ],
    [
      'matches equality in either order',
      ['b = a', '∀x (a = x → P(x))', '∀x ∀y (x = y ∧ Q(x) → S(x))', 'b = a ∧ Q(a)'],
      ['MODUS_PONENS 0, 1 => P(b)', 'MODUS_PONENS 3, 2 => S(a)'],
    ],
    [
      'matches under inner quantifiers',
      ['∀y (P(y) → R(a, y))', '∀x (∀z (P(z) → R(x, z)) → Big(x))'],
      ['MODUS_PONENS 0, 1 => Big(a)'],
    ],
    [
      'does not let a variable of the rule stand for a bound variable',
      ['∀y R(y, y)', '∀x (∀z R(x, z) → Big(x))'],
      ['MODUS_PONENS 0, 1 => !rule_mismatch'],
    ],
    ['refuses swapped arguments', ['P(a)', 'P(a) -> Q(a)'], ['MODUS_PONENS 1, 0 => !rule_mismatch']],
    ['refuses another individual', ['P(b)', 'P(a) -> Q(a)'], ['MODUS_PONENS 0, 1 => !rule_mismatch']],
    ['refuses another predicate', ['S(a)', '∀x (P(x) → Q(x))'], ['MODUS_PONENS 0, 1 => !rule_mismatch']],
    ['refuses the converse', ['Q(a)', 'P(a) -> Q(a)'], ['MODUS_PONENS 0, 1 => !rule_mismatch']],
    [
      'refuses another number of terms',
      ['P(a, a)', '∀x (P(x) → Q(x))'],
      ['MODUS_PONENS 0, 1 => !rule_mismatch'],
    ],
    ['refuses a dropped negation', ['¬P(a)', '∀x (P(x) → Q(x))'], ['MODUS_PONENS 0, 1 => !rule_mismatch']],
    ['refuses a biconditional', ['P(a)', 'P(a) <-> Q(a)'], ['MODUS_PONENS 0, 1 => !rule_mismatch']],
    ['refuses an existential rule', ['P(a)', '∃x (P(x) → Q(x))'], ['MODUS_PONENS 0, 1 => !rule_mismatch']],
    [
      'refuses one variable for two individuals',
      ['R(a, b)', '∀x (R(x, x) → Q(x))'],
      ['MODUS_PONENS 0, 1 => !rule_mismatch'],
    ],
    [
      'refuses a variable that the condition leaves open',
      ['P(a)', '∀x ∀y (P(x) → R(x, y))'],
      ['MODUS_PONENS 0, 1 => !rule_mismatch'],
    ],
    [
      'refuses two quantifiers in exchanged order',
      ['∀x ∃y R(x, y)', '∃y ∀x R(x, y) → P(a)'],
      ['MODUS_PONENS 0, 1 => !rule_mismatch'],
    ],
  ],
  MODUS_TOLLENS: [
    ['denies the condition', ['¬Q(a)', 'P(a) -> Q(a)'], ['MODUS_TOLLENS 0, 1 => ¬P(a)']],
    ['applies a universal rule', ['¬Q(a)', '∀x (P(x) → Q(x))'], ['MODUS_TOLLENS 0, 1 => ¬P(a)']],
    ['takes P as the denial of not-P', ['Q(a)', '∀x (P(x) → ¬Q(x))'], ['MODUS_TOLLENS 0, 1 => ¬P(a)']],
    ['gives P as the denial of not-P', ['¬Q(a)', '¬P(a) -> Q(a)'], ['MODUS_TOLLENS 0, 1 => P(a)']],
    ['takes not-not-P as the denial of not-P', ['¬¬Q(a)', 'P(a) -> ¬Q(a)'], ['MODUS_TOLLENS 0, 1 => ¬P(a)']],
    ['refuses the consequence itself', ['Q(a)', 'P(a) -> Q(a)'], ['MODUS_TOLLENS 0, 1 => !rule_mismatch']],
    ['refuses the denied condition', ['¬P(a)', 'P(a) -> Q(a)'], ['MODUS_TOLLENS 0, 1 => !rule_mismatch']],
    ['refuses swapped arguments', ['¬Q(a)', 'P(a) -> Q(a)'], ['MODUS_TOLLENS 1, 0 => !rule_mismatch']],
    ['refuses another individual', ['¬Q(b)', 'P(a) -> Q(a)'], ['MODUS_TOLLENS 0, 1 => !rule_mismatch']],
  ],
  HYPOTHETICAL_SYLLOGISM: [
    ['chains implications', ['P(a) -> Q(a)', 'Q(a) -> R(a)'], ['HYPOTHETICAL_SYLLOGISM 0, 1 => P(a) → R(a)']],
    [
      'takes an instance of a universal rule',
      ['P(b) -> Q(a)', '∀x (Q(x) → R(x))'],
      ['HYPOTHETICAL_SYLLOGISM 0, 1 => P(b) → R(a)'],
    ],
    [
      'chains two universal rules',
      ['∀x (P(x) → Q(x))', '∀y (Q(y) → R(y))', '∀x ∀y (A(x, y) → B(y, x))', '∀x ∀y (B(y, x) → C(x))'],
      [
        'HYPOTHETICAL_SYLLOGISM 0, 1 => ∀x (P(x) → R(x))',
        'HYPOTHETICAL_SYLLOGISM 2, 3 => ∀x ∀y (A(x, y) → C(x))',
      ],
    ],
    [
      'refuses universal rules whose variables do not correspond',
      ['∀x ∀y (A(x, y) → B(x, y))', '∀x ∀y (B(y, x) → C(x))', '∀x (A(x) → B(x, x))', '∀x ∀y B(x, y)'],
      [
        'HYPOTHETICAL_SYLLOGISM 0, 1 => !rule_mismatch',
        'HYPOTHETICAL_SYLLOGISM 2, 1 => !rule_mismatch',
        'HYPOTHETICAL_SYLLOGISM 0, 3 => !rule_mismatch',
      ],
    ],
    ['refuses a gap', ['P(a) -> Q(a)', 'S(a) -> R(a)'], ['HYPOTHETICAL_SYLLOGISM 0, 1 => !rule_mismatch']],
    [
      'refuses swapped arguments',
      ['P(a) -> Q(a)', 'Q(a) -> R(a)'],
      ['HYPOTHETICAL_SYLLOGISM 1, 0 => !rule_mismatch'],
    ],
    ['refuses a fact', ['Q(a)', 'Q(a) -> R(a)'], ['HYPOTHETICAL_SYLLOGISM 0, 1 => !rule_mismatch']],
    [
      'refuses a fact in the second place',
      ['P(a) -> Q(a)', 'Q(a)'],
      ['HYPOTHETICAL_SYLLOGISM 0, 1 => !rule_mismatch'],
    ],
  ],
  DISJUNCTIVE_SYLLOGISM: [
    ['rules out the left side', ['P(a) ∨ Q(a)', '¬P(a)'], ['DISJUNCTIVE_SYLLOGISM 0, 1 => Q(a)']],
    ['rules out the right side', ['P(a) ∨ Q(a)', '¬Q(a)'], ['DISJUNCTIVE_SYLLOGISM 0, 1 => P(a)']],
    ['takes P as the denial of not-P', ['P(a) ∨ ¬Q(a)', 'Q(a)'], ['DISJUNCTIVE_SYLLOGISM 0, 1 => P(a)']],
    [
      'takes an instance of a universal denial',
      ['P(a) ∨ Q(a)', '∀x ¬Q(x)'],
      ['DISJUNCTIVE_SYLLOGISM 0, 1 => P(a)'],
    ],
    [
      'reads both directions of an exclusive or',
      ['P(a) ⊕ Q(a)', '¬P(a)', 'S(a) ⊕ T(a)', 'T(a)', '∀x S(x)'],
      [
        'DISJUNCTIVE_SYLLOGISM 0, 1 => Q(a)',
        'DISJUNCTIVE_SYLLOGISM 2, 3 => ¬S(a)',
        'DISJUNCTIVE_SYLLOGISM 2, 4 => ¬T(a)',
      ],
    ],
    [
      'gives P as the denial of not-P in an exclusive or',
      ['S(a) ⊕ ¬T(a)', 'S(a)'],
      ['DISJUNCTIVE_SYLLOGISM 0, 1 => T(a)'],
    ],
    [
      'refuses an affirmed side of "or"',
      ['P(a) ∨ Q(a)', 'P(a)'],
      ['DISJUNCTIVE_SYLLOGISM 0, 1 => !rule_mismatch'],
    ],
    ['refuses a conjunction', ['P(a) ∧ Q(a)', '¬P(a)'], ['DISJUNCTIVE_SYLLOGISM 0, 1 => !rule_mismatch']],
    ['refuses swapped arguments', ['P(a) ∨ Q(a)', '¬P(a)'], ['DISJUNCTIVE_SYLLOGISM 1, 0 => !rule_mismatch']],
    [
      'refuses a side of an exclusive or that is not there',
      ['P(a) ⊕ Q(a)', 'P(b)'],
      ['DISJUNCTIVE_SYLLOGISM 0, 1 => !rule_mismatch'],
    ],
  ],
  UNIV_INSTANTIATION: [
    ['instantiates', ['∀x (P(x) → Q(x))'], ["UNIV_INSTANTIATION 0, 'a' => P(a) → Q(a)"]],
    ['takes a constant that is new', ['∀x P(x)'], ["UNIV_INSTANTIATION 0, 'zoe' => P(zoe)"]],
    [
      'takes off the outermost quantifier only',
      ['∀x ∃y R(x, y)'],
      ["UNIV_INSTANTIATION 0, 'a' => ∃y R(a, y)"],
    ],
    [
      'takes a name that occurs in the problem, whatever its letters',
      ['∀x P(x)', 'Q(świątek)'],
      ["UNIV_INSTANTIATION 0, 'świątek' => P(świątek)"],
    ],
    [
      'refuses a name in other letters that does not',
      ['∀x P(x)', 'Q(świątek)'],
      ["UNIV_INSTANTIATION 0, 'świetek' => !argument_type"],
    ],
    ['refuses an existential', ['∃x P(x)'], ["UNIV_INSTANTIATION 0, 'a' => !rule_mismatch"]],
    ['refuses a ground line', ['P(a)'], ["UNIV_INSTANTIATION 0, 'a' => !rule_mismatch"]],
    ['refuses an index for a name', ['∀x P(x)'], ['UNIV_INSTANTIATION 0, 0 => !argument_type']],
    ['refuses an empty name', ['∀x P(x)'], ["UNIV_INSTANTIATION 0, '' => !argument_type"]],
  ],
  SUBST: [
    ['is UNIV_INSTANTIATION', ['∀x (P(x) → Q(x))'], ["SUBST 0, 'a' => P(a) → Q(a)"]],
    ['may name a predicate of the result', ['∀x (P(x) → Q(x))'], ["SUBST 0, 'a', 'Q' => P(a) → Q(a)"]],
    ['refuses a predicate that is not there', ['∀x (P(x) → Q(x))'], ["SUBST 0, 'a', 'S' => !rule_mismatch"]],
    ['refuses an index for a predicate', ['∀x P(x)'], ["SUBST 0, 'a', 1 => !argument_type"]],
    ['refuses an existential', ['∃x P(x)'], ["SUBST 0, 'a', 'P' => !rule_mismatch"]],
  ],
  UNIV_GENERALIZATION: [
    [
      'generalises an arbitrary individual',
      ['∀x P(x)'],
      ["UNIV_INSTANTIATION 0, 'c' => P(c)", "UNIV_GENERALIZATION 1, 'c' => =∀y P(y)"],
    ],
    [
      'replaces every occurrence, under quantifiers too',
      ['∀x ∃y R(x, y)', '∀x ∀y (R(x, y) ∧ R(x, x))'],
      [
        "UNIV_INSTANTIATION 1, 'c' => ∀y (R(c, y) ∧ R(c, c))",
        "UNIV_INSTANTIATION 2, 'd' => R(c, d) ∧ R(c, c)",
        "UNIV_GENERALIZATION 3, 'c' => ∀x (R(x, d) ∧ R(x, x))",
        "UNIV_GENERALIZATION 4, 'd' => ∀y ∀x (R(x, y) ∧ R(x, x))",
      ],
    ],
    [
      'refuses a constant of a premise that the line rests on',
      ['P(a)'],
      ["UNIV_GENERALIZATION 0, 'a' => !eigenvariable"],
    ],
    [
      'does not mind a constant of a premise that the line does not rest on',
      ['∀x P(x)', 'Q(a)'],
      ["UNIV_INSTANTIATION 0, 'a' => P(a)", "UNIV_GENERALIZATION 2, 'a' => =∀x P(x)"],
    ],
    [
      'refuses a constant of an open assumption, and takes it once the assumption is discharged',
      ['∀x P(x)'],
      [
        "ASSUME 'Q(c)' => Q(c)",
        "UNIV_GENERALIZATION 1, 'c' => !eigenvariable",
        'CONDITIONAL_PROOF 1, 1 => Q(c) → Q(c)',
        "UNIV_GENERALIZATION 3, 'c' => ∀x (Q(x) → Q(x))",
      ],
    ],
    [
      'refuses a witness',
      ['∃x P(x)'],
      ["EXIST_INSTANTIATION 0, 'w' => P(w)", "UNIV_GENERALIZATION 1, 'w' => !eigenvariable"],
    ],
    [
      'refuses a constant that a witness depends on (swapped quantifiers)',
      ['∀x ∃y R(x, y)'],
      [
        "UNIV_INSTANTIATION 0, 'c' => ∃y R(c, y)",
        "EXIST_INSTANTIATION 1, 'w' => R(c, w)",
        "UNIV_GENERALIZATION 2, 'c' => !eigenvariable",
      ],
    ],
    [
      'refuses it through a second witness as well',
      ['∀x ∃y R(x, y)', '∀x ∃y S(x, y)', '∀x ∀y ∀z (R(x, y) → (S(y, z) → T(x, z)))'],
      [
        "UNIV_INSTANTIATION 0, 'c' => ∃y R(c, y)",
        "EXIST_INSTANTIATION 3, 'v' => R(c, v)",
        "UNIV_INSTANTIATION 1, 'v' => ∃y S(v, y)",
        "EXIST_INSTANTIATION 5, 'w' => S(v, w)",
        "UNIV_INSTANTIATION 2, 'c' => ∀y ∀z (R(c, y) → (S(y, z) → T(c, z)))",
        "UNIV_INSTANTIATION 7, 'v' => ∀z (R(c, v) → (S(v, z) → T(c, z)))",
        "UNIV_INSTANTIATION 8, 'w' => R(c, v) → (S(v, w) → T(c, w))",
        'MODUS_PONENS 4, 9 => S(v, w) → T(c, w)',
        'MODUS_PONENS 6, 10 => T(c, w)',
        "UNIV_GENERALIZATION 11, 'c' => !eigenvariable",
      ],
    ],
    [
      'takes a constant that no witness in the line depends on',
      ['∀x ∃y R(x, y)', '∃x ∀y S(x, y)'],
      [
        "EXIST_INSTANTIATION 1, 'w' => ∀y S(w, y)",
        "UNIV_INSTANTIATION 2, 'c' => S(w, c)",
        "UNIV_GENERALIZATION 3, 'c' => =∀y S(w, y)",
      ],
    ],
    ['refuses a constant that does not occur', ['∀x P(x)'], ["UNIV_GENERALIZATION 0, 'c' => !rule_mismatch"]],
  ],
  EXIST_INSTANTIATION: [
    ['names a witness', ['∃x (P(x) ∧ Q(x))'], ["EXIST_INSTANTIATION 0, 'w' => P(w) ∧ Q(w)"]],
    [
      'refuses a constant of a premise',
      ['∃x P(x)', 'Q(a)'],
      ["EXIST_INSTANTIATION 0, 'a' => !eigenvariable"],
    ],
    ['refuses a constant of the query', ['∃x P(x)'], ["EXIST_INSTANTIATION 0, 'q' => !eigenvariable"]],
    [
      'refuses the witness of another line',
      ['∃x P(x)', '∃x Q(x)'],
      [
        "EXIST_INSTANTIATION 0, 'w' => P(w)",
        "EXIST_INSTANTIATION 1, 'w' => !eigenvariable",
        "EXIST_INSTANTIATION 1, 'v' => Q(v)",
      ],
    ],
    [
      'refuses constants of assumptions and of instances',
      ['∃x P(x)', '∀x Q(x)'],
      [
        "ASSUME 'S(c)' => S(c)",
        "EXIST_INSTANTIATION 0, 'c' => !eigenvariable",
        "UNIV_INSTANTIATION 1, 'd' => Q(d)",
        "EXIST_INSTANTIATION 0, 'd' => !eigenvariable",
      ],
    ],
    [
      'refuses a name that an earlier question whether it is new has already seen used',
      ['∃x P(x)', '∃x Q(x)', '∀x S(x)'],
      [
        "EXIST_INSTANTIATION 0, 'w' => P(w)",
        "UNIV_INSTANTIATION 2, 'd' => S(d)",
        "EXIST_INSTANTIATION 1, 'd' => !eigenvariable",
      ],
    ],
    [
      'refuses the constants of an equality, on either side',
      ['∃x P(x)', 'a = b'],
      ["EXIST_INSTANTIATION 0, 'a' => !eigenvariable", "EXIST_INSTANTIATION 0, 'b' => !eigenvariable"],
    ],
    ['refuses a universal', ['∀x P(x)'], ["EXIST_INSTANTIATION 0, 'w' => !rule_mismatch"]],
  ],
  EXIST_GENERALIZATION: [
    ['generalises an individual', ['R(a, b)'], ["EXIST_GENERALIZATION 0, 'a' => ∃x R(x, b)"]],
    ['replaces every occurrence', ['R(a, a)'], ["EXIST_GENERALIZATION 0, 'a' => ∃x R(x, x)"]],
    ['avoids capture', ['∀x R(x, a)'], ["EXIST_GENERALIZATION 0, 'a' => ∃y ∀x R(x, y)"]],
    [
      'frees a conclusion of its witness',
      ['∃x (P(x) ∧ Q(x))'],
      ["EXIST_INSTANTIATION 0, 'w'", 'AND_ELIM 1, 0 => P(w)', "EXIST_GENERALIZATION 2, 'w' => ∃x P(x)"],
    ],
    ['refuses a constant that does not occur', ['P(a)'], ["EXIST_GENERALIZATION 0, 'b' => !rule_mismatch"]],
  ],
  AND_INTRO: [
    ['joins two lines', ['P(a)', 'Q(b)'], ['AND_INTRO 0, 1 => P(a) ∧ Q(b)']],
    [
      'is known in the other order',
      ['P(a)', 'Q(b)'],
      ['AND_INTRO 0, 1 => P(a) ∧ Q(b)', 'AND_INTRO 1, 0 => =P(a) ∧ Q(b)'],
    ],
    ['refuses a line that is not there', ['P(a)'], ['AND_INTRO 0, 1 => !index_out_of_range']],
  ],
  AND_ELIM: [
    ['gives either side', ['P(a) ∧ Q(b)'], ['AND_ELIM 0, 0 => P(a)', 'AND_ELIM 0, 1 => Q(b)']],
    ['takes sides by name', ['P(a) ∧ Q(b)'], ["AND_ELIM 0, 'right' => Q(b)", "AND_ELIM 0, 'left' => P(a)"]],
    ['refuses a disjunction', ['P(a) ∨ Q(b)'], ['AND_ELIM 0, 0 => !rule_mismatch']],
    ['refuses a third side', ['P(a) ∧ Q(b)'], ['AND_ELIM 0, 2 => !argument_type']],
  ],
  OR_INTRO: [
    [
      'adds a side',
      ['P(a)'],
      ["OR_INTRO 0, 0, 'Q(b)' => P(a) ∨ Q(b)", "OR_INTRO 0, 1, 'S(b)' => S(b) ∨ P(a)"],
    ],
    ['refuses a formula that cannot be read', ['P(a)'], ["OR_INTRO 0, 0, 'Q(' => !formula_unparsable"]],
    ['refuses an index for a formula', ['P(a)'], ['OR_INTRO 0, 0, 0 => !argument_type']],
  ],
  ASSUME: [
    ['states a formula', [], ["ASSUME 'P(a)' => P(a)"]],
    ['refuses a free variable', [], ["ASSUME 'P(x)' => !formula_unparsable"]],
    [
      'is redundant when assumed before or given',
      ['Q(a)'],
      ["ASSUME 'P(a)' => P(a)", "ASSUME 'P(a)' => =P(a)", "ASSUME 'Q(a)' => =Q(a)"],
    ],
  ],
  CONDITIONAL_PROOF: [
    [
      'discharges its assumption',
      ['P(a) -> Q(a)'],
      ["ASSUME 'P(a)' => P(a)", 'MODUS_PONENS 1, 0 => Q(a)', 'CONDITIONAL_PROOF 1, 2 => =P(a) → Q(a)'],
    ],
    ['refuses a line that is no assumption', ['P(a)', 'Q(a)'], ['CONDITIONAL_PROOF 0, 1 => !rule_mismatch']],
    [
      'refuses what was derived under an assumption',
      ['P(a) -> Q(a)'],
      ["ASSUME 'P(a)'", 'MODUS_PONENS 1, 0', 'CONDITIONAL_PROOF 2, 1 => !rule_mismatch'],
    ],
  ],
  CONTRADICTION: [
    [
      'gives falsum, in either order',
      ['P(a)', '¬P(a)'],
      ['CONTRADICTION 0, 1 => ⊥', 'CONTRADICTION 1, 0 => =⊥'],
    ],
    [
      'denies the assumption',
      ['P(a) -> Q(a)', '¬Q(a)'],
      ["ASSUME 'P(a)' => P(a)", 'MODUS_PONENS 2, 0 => Q(a)', 'CONTRADICTION 3, 1, 2 => ¬P(a)'],
    ],
    [
      'affirms what a denied assumption denied',
      ['¬P(a) -> Q(a)', '¬Q(a)'],
      ["ASSUME '¬P(a)'", 'MODUS_PONENS 2, 0', 'CONTRADICTION 3, 1, 2 => P(a)'],
    ],
    [
      'refuses lines that agree',
      ['P(a)', 'Q(a)'],
      ['CONTRADICTION 0, 1 => !rule_mismatch', 'CONTRADICTION 0, 0 => !rule_mismatch'],
    ],
    ['refuses to discharge a premise', ['P(a)', '¬P(a)'], ['CONTRADICTION 0, 1, 0 => !rule_mismatch']],
    [
      'refuses to discharge on lines that agree',
      ['P(a)'],
      ["ASSUME 'Q(a)'", 'CONTRADICTION 0, 1, 1 => !rule_mismatch'],
    ],
  ],
  CASE_SPLIT: [
    [
      'joins the cases',
      ['P(a) ∨ Q(a)', 'P(a) -> S(a)', 'Q(a) -> S(a)'],
      [
        "ASSUME 'P(a)'",
        'MODUS_PONENS 3, 1 => S(a)',
        "ASSUME 'Q(a)'",
        'MODUS_PONENS 5, 2 => S(a)',
        'CASE_SPLIT 0, 3, 4, 5, 6 => S(a)',
      ],
    ],
    [
      'takes the cases in either order, and an exclusive or',
      ['P(a) ⊕ Q(a)', 'P(a) -> S(a)', 'Q(a) -> S(a)'],
      [
        "ASSUME 'Q(a)'",
        'MODUS_PONENS 3, 2 => S(a)',
        "ASSUME 'P(a)'",
        'MODUS_PONENS 5, 1 => S(a)',
        'CASE_SPLIT 0, 3, 4, 5, 6 => S(a)',
      ],
    ],
    [
      'refuses one case twice',
      ['P(a) ∨ Q(a)', 'P(a) -> S(a)'],
      ["ASSUME 'P(a)'", 'MODUS_PONENS 2, 1 => S(a)', 'CASE_SPLIT 0, 2, 3, 2, 3 => !rule_mismatch'],
    ],
    [
      'refuses cases that end differently',
      ['P(a) ∨ Q(a)', 'P(a) -> S(a)', 'Q(a) -> T(a)'],
      [
        "ASSUME 'P(a)'",
        'MODUS_PONENS 3, 1',
        "ASSUME 'Q(a)'",
        'MODUS_PONENS 5, 2',
        'CASE_SPLIT 0, 3, 4, 5, 6 => !rule_mismatch',
      ],
    ],
    [
      'refuses the other case as second side of both orders',
      ['P(a) ∨ Q(a)', 'S(a)'],
      [
        "ASSUME 'Q(a)'",
        "ASSUME 'T(a)'",
        'CASE_SPLIT 0, 2, 1, 3, 1 => !rule_mismatch',
        'CASE_SPLIT 0, 3, 1, 2, 1 => !rule_mismatch',
        "ASSUME 'P(a)'",
        'CASE_SPLIT 0, 3, 1, 6, 1 => !rule_mismatch',
        'CASE_SPLIT 0, 6, 1, 3, 1 => !rule_mismatch',
      ],
    ],
    [
      'refuses an implication',
      ['P(a) -> Q(a)', 'S(a)'],
      ["ASSUME 'P(a)'", "ASSUME 'Q(a)'", 'CASE_SPLIT 0, 2, 1, 3, 1 => !rule_mismatch'],
    ],
    [
      'refuses cases that are no assumptions',
      ['P(a) ∨ Q(a)', 'P(a)', 'Q(a)', 'S(a)'],
      ['CASE_SPLIT 0, 1, 3, 2, 3 => !rule_mismatch'],
    ],
  ],
  BICONDITIONAL_INTRO: [
    [
      'joins an implication and its converse',
      ['P(a) -> Q(a)', 'Q(a) -> P(a)'],
      ['BICONDITIONAL_INTRO 0, 1 => P(a) ↔ Q(a)'],
    ],
    [
      'refuses the same implication twice',
      ['P(a) -> Q(a)', 'P(a) -> Q(a)'],
      ['BICONDITIONAL_INTRO 0, 1 => !rule_mismatch'],
    ],
    [
      'refuses half a converse',
      ['P(a) -> Q(a)', 'Q(a) -> S(a)', 'S(a) -> P(a)'],
      ['BICONDITIONAL_INTRO 0, 1 => !rule_mismatch', 'BICONDITIONAL_INTRO 0, 2 => !rule_mismatch'],
    ],
    [
      'refuses what is no implication',
      ['P(a) -> Q(a)', 'Q(a) ∧ P(a)'],
      ['BICONDITIONAL_INTRO 0, 1 => !rule_mismatch', 'BICONDITIONAL_INTRO 1, 0 => !rule_mismatch'],
    ],
  ],
  BICONDITIONAL_ELIM: [
    [
      'gives either direction',
      ['P(a) ↔ Q(a)'],
      ['BICONDITIONAL_ELIM 0, 0 => P(a) → Q(a)', 'BICONDITIONAL_ELIM 0, 1 => Q(a) → P(a)'],
    ],
    [
      'takes directions by name',
      ['P(a) ↔ Q(a)'],
      ["BICONDITIONAL_ELIM 0, 'backward' => Q(a) → P(a)", "BICONDITIONAL_ELIM 0, 'forward' => P(a) → Q(a)"],
    ],
    ['refuses an implication', ['P(a) -> Q(a)'], ['BICONDITIONAL_ELIM 0, 0 => !rule_mismatch']],
    ['refuses a side for a direction', ['P(a) ↔ Q(a)'], ["BICONDITIONAL_ELIM 0, 'left' => !argument_type"]],
  ],
  DOUBLE_NEGATION: [
    ['takes off two negations', ['¬¬P(a)'], ['DOUBLE_NEGATION 0 => P(a)']],
    ['refuses one negation', ['¬P(a)'], ['DOUBLE_NEGATION 0 => !rule_mismatch']],
    ['refuses none', ['P(a)'], ['DOUBLE_NEGATION 0 => !rule_mismatch']],
  ],
}

describe.each(Object.entries(CASES))('%s', (_option, cases) => {
  test.each(cases)('%s', (_name, premises, script) => {
    expectProof(premises, script)
  })
})

test('every option that derives something is shown here', () => {
  expect([...Object.keys(CASES), 'CONCLUDE'].sort()).toEqual([...OPTION_NAMES].sort())
})
