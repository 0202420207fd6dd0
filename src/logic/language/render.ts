import type { Formula } from '../formula.ts'
import type { Language } from './parser.ts'
import { renderFol } from './render-fol.ts'
import { renderProntoqa } from './render-prontoqa.ts'
import { renderProofwriter } from './render-proofwriter.ts'

/**
 * A closed formula as a sentence that the parser of `language` reads back as the same formula. The English
 * grammars cannot say everything (nested conditionals, "A and (B or C)" within one clause): null where they have no
 * such sentence. First-order text exists for every formula.
 */
export function renderSentence(formula: Formula, language: Language): string | null {
  return RENDERERS[language](formula)
}

const RENDERERS: Record<Language, (formula: Formula) => string | null> = {
  fol: renderFol,
  prontoqa: renderProntoqa,
  proofwriter: renderProofwriter,
}
