/** What a reader calls an evaluated policy, and where it stands in a table. */
export interface PolicyName {
  readonly name: string
  readonly group: 'policies' | 'controls' | `on ${string}`
  readonly order: number
}

const ABEL: Readonly<Record<string, PolicyName>> = {
  base: { name: 'base', group: 'policies', order: 0 },
  ppo: { name: 'PPO', group: 'policies', order: 1 },
  dpo_coherence: { name: 'DPO', group: 'policies', order: 2 },
  more_sft: { name: 'control: more SFT', group: 'controls', order: 0 },
}

const OAK_CONTROLS: Readonly<Record<string, string>> = {
  'control-more-sft': 'control: more SFT',
  'control-careful-sft-only': 'control: careful SFT only',
}

/** Of an evaluation file, by the layouts of the pipelines; any other file goes by its path. */
export function policyName(file: string): PolicyName {
  const abel = /(?:^|\/)abel_(\w+)_platinum_eval\.jsonl$/.exec(file)?.[1]
  if (abel !== undefined && ABEL[abel] !== undefined) return ABEL[abel]
  const folder = /(?:^|\/)evaluation\/([^/]+)\/[^/]+\.jsonl$/.exec(file)?.[1]
  if (folder === undefined) return { name: file, group: 'policies', order: 0 }
  const iteration = /^iter(\d+)$/.exec(folder)?.[1]
  if (iteration !== undefined) return { ...ofIteration(Number(iteration)), group: 'policies' }
  const control = OAK_CONTROLS[folder]
  if (control !== undefined) return { name: control, group: 'controls', order: 0 }
  const also = /^(.+)-(iter0|last)$/.exec(folder)
  if (also === null) return { name: folder, group: 'policies', order: 1000 }
  const last = also[2] === 'last'
  return { name: last ? 'last iteration' : 'SFT', group: `on ${also[1]}`, order: last ? 1 : 0 }
}

function ofIteration(iteration: number): { name: string; order: number } {
  return { name: iteration === 0 ? 'SFT' : `iteration ${iteration}`, order: iteration }
}

/** Of a file of traces, rollouts, pairs or metrics: its directory, or its own name beside its stage. */
export function fileName(file: string): string {
  const known: Readonly<Record<string, string>> = {
    'data/abel_regime_w_rollouts.jsonl': 'rollouts of the PPO policy',
    'data/abel_coherence_preferences.jsonl': 'pairs of the rollouts',
    'checkpoints/abel_ppo_lora/metrics.jsonl': 'PPO',
    'checkpoints/abel_dpo_coherence_lora/metrics.jsonl': 'DPO',
    'base/drill/metrics.jsonl': 'base: copy drill',
    'base/pretraining/metrics.jsonl': 'base: pre-training',
    'base/habits/metrics.jsonl': 'base: habits',
    'sft/metrics.jsonl': 'SFT',
    'controls/more-sft/metrics.jsonl': 'control: more SFT',
    'controls/careful-sft/metrics.jsonl': 'control: careful SFT only',
  }
  const name = known[file]
  if (name !== undefined) return name
  const iteration = /^(dpo|traces)\/iter(\d+)\/([a-z_]+)\.jsonl$/.exec(file)
  if (iteration === null) return file
  const what = iteration[1] === 'traces' ? 'traces' : iteration[3] === 'metrics' ? 'DPO' : 'pairs'
  return `iteration ${iteration[2]}: ${what}`
}
