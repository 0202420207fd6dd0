import { check } from '../../../src/logic/checker/check.ts'
import type { Judgement } from '../../../src/logic/checker/judgement.ts'
import type { ProofStep } from '../../../src/logic/checker/step.ts'
import { renderSentence } from '../../../src/logic/language/render.ts'
import type { ReadTheory } from '../../../src/logic/language/theory.ts'
import type { FoundProof } from '../../../src/logic/search/proof-search.ts'

/**
 * The checker's verdict on a found proof, its claims taken from the rendered sentences, so that a step that cannot be
 * put into words fails.
 */
export function judge(theory: ReadTheory, proof: FoundProof): Judgement {
  const steps = proof.steps.map(({ option, args, derived }): ProofStep => {
    const text = renderSentence(derived, theory.parser.language) ?? ''
    const parsed = theory.parser.parse(text)
    const claim: ProofStep['claims'][number] = parsed.ok
      ? { kind: 'formula', text, formula: parsed.formula, repairs: parsed.repairs.length }
      : { kind: 'unreadable', text, reason: parsed.message }
    return { action: { name: option, args }, problem: null, claims: [claim], quotes: [] }
  })
  const label = proof.status === 'proved' ? 'TRUE' : 'FALSE'
  steps.push({
    action: { name: 'CONCLUDE', args: [label === 'TRUE' ? 0 : 1] },
    problem: null,
    claims: [{ kind: 'label', text: label, label }],
    quotes: [],
  })
  return check({ ...theory, verifiable: true, entailment: null }, steps, { claims: 'required' })
}

/** Whether every step is valid, new and counted, and the conclusion is warranted by the proof. */
export function isGold({ valid, validityRate, warrant, steps }: Judgement): boolean {
  return valid && validityRate === 1 && warrant === 'proof' && steps.every(({ notes }) => notes.length === 0)
}
