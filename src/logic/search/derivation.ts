import type { Formula } from '../formula.ts'

/** An argument of a step that is being found: another derivation, or what the option takes literally. */
export type DerivationArg = Derivation | number | string

/** One line of a proof that is being found: a premise (no option), or a step with the lines that it uses. */
export interface Derivation {
  readonly formula: Formula
  /** Index of the premise, or the option of the step. */
  readonly source: number | string
  readonly args: readonly DerivationArg[]
  /** All steps that must be written for this line, itself included. Shared ones count once. */
  readonly steps: ReadonlySet<Derivation>
}

export function premise(formula: Formula, index: number): Derivation {
  return { formula, source: index, args: [], steps: new Set() }
}

export function step(option: string, args: readonly DerivationArg[], formula: Formula): Derivation {
  const steps = new Set<Derivation>()
  for (const arg of args) {
    if (typeof arg === 'object') for (const each of arg.steps) steps.add(each)
  }
  const derivation = { formula, source: option, args, steps }
  steps.add(derivation)
  return derivation
}

/** One step of a finished proof. */
export interface ProofStep {
  readonly option: string
  /** Indices of lines, sides, and texts in the language of the theory. */
  readonly args: readonly (number | string)[]
  readonly derived: Formula
}

/** A proof in the order in which its steps are written, and the line that holds what was to be proved. */
export interface WrittenProof {
  readonly steps: readonly ProofStep[]
  readonly line: number
}

/** Numbers the lines: premises 0..n-1, step k owns n+k. Each line stands after all that it uses. */
export function writeProof(goal: Derivation, premiseCount: number): WrittenProof {
  const lines = new Map<Derivation, number>()
  const steps: ProofStep[] = []
  const write = (derivation: Derivation): number => {
    if (typeof derivation.source === 'number') return derivation.source
    const known = lines.get(derivation)
    if (known !== undefined) return known
    const args = derivation.args.map((arg) => (typeof arg === 'object' ? write(arg) : arg))
    const line = premiseCount + steps.length
    lines.set(derivation, line)
    steps.push({ option: derivation.source, args, derived: derivation.formula })
    return line
  }
  return { line: write(goal), steps }
}
