import { join } from 'node:path'

/** Where a run keeps what users of the old scripts know by these names. */
export interface AbelLayout {
  readonly train: string
  readonly heldOut: string
  readonly base: string
  readonly ppo: string
  readonly rollouts: string
  readonly pairs: string
  readonly dpo: string
  readonly summary: string
  /** The evaluation file of one policy. */
  evaluation(policy: string): string
}

export function abelLayout(output: string): AbelLayout {
  return {
    train: join(output, 'data', 'gsm8k_train.jsonl'),
    heldOut: join(output, 'data', 'gsm8k_platinum.jsonl'),
    base: join(output, 'base'),
    ppo: join(output, 'checkpoints', 'abel_ppo_lora'),
    rollouts: join(output, 'data', 'abel_regime_w_rollouts.jsonl'),
    pairs: join(output, 'data', 'abel_coherence_preferences.jsonl'),
    dpo: join(output, 'checkpoints', 'abel_dpo_coherence_lora'),
    summary: join(output, 'summary.json'),
    evaluation: (policy) => join(output, 'outputs', `abel_${policy}_platinum_eval.jsonl`),
  }
}
