/** Changes whenever a rendered prompt changes; part of every stage's fingerprint. */
export const ABEL_PROMPT_VERSION = 'abel-1'

/**
 * The one prompt of every stage of the Abel pipeline: SFT, PPO, rollouts, DPO and evaluation. It is the only
 * template that Abel's authors used; there is no system prompt.
 */
export function renderAbelPrompt(question: string): string {
  return `Question:\n${question}\nAnswer:\nLet's think step by step.\n`
}

/**
 * Generation stops where a model goes on to ask itself another question: grading ignores what follows, so
 * the stop changes no verdict and saves its tokens.
 */
export const ABEL_RUN_ON = { name: 'next_question', pattern: '\\nQuestion:', count: 1 } as const
