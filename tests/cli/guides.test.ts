import { describe, expect, test } from 'vitest'
import { commandsOf } from '../docs/pages.ts'
import { refusalOf } from '../support/program.ts'

/** What users of the old scripts type now, with every flag that the guides give, also in their own spelling. */
const COMMANDS = [
  'traces --model outputs/sft/20251209_150417/final --data data/processed/prontoqa_train.jsonl --output outputs/traces/full --num-problems 1500 --samples-per-problem 2 --max-steps 6 --max-thought-tokens 60 --temperature 0.7 --top-p 0.9 --num-gpus 4 --seed 1',
  'traces --model m --data d --output o --gpus 0,1,2,3',
  'dpo --traces outputs/traces/full/traces.jsonl --model outputs/sft/20251209_150417/final --output outputs/dpo/run1 --num-epochs 1 --batch-size 4 --gradient-accumulation-steps 2 --learning-rate 5e-6 --beta 0.1 --max-length 1024 --min-validity-gap 0.0 --require-valid-winner=false --launcher accelerate --num-processes 4 --mixed-precision bf16 --wandb',
  'dpo --traces t --model m --output o --num_processes=4 --mixed_precision=bf16 --launcher accelerate',
  'dpo --pairs data/abel_coherence_preferences.jsonl --base_model b --lora_path l --output o --launcher torchrun --nproc_per_node=8',
  'oak 2 1500 "0"',
  'oak 2 1500 "0,1,2,3"',
  'sft --model m --data d --output o',
  'ppo --base-model GAIR/Abel-7B-002 --data-path data/gsm8k_train.jsonl --output checkpoints/abel_ppo_lora --n_samples 2000 --learning_rate 5e-6 --batch_size 4 --save_every 500 --target-kl 0.1 --algorithm grpo',
  'rollouts --base_model GAIR/Abel-7B-002 --lora_path checkpoints/abel_ppo_lora --data_path data/gsm8k_train.jsonl --out_path data/abel_regime_w_rollouts.jsonl --n_samples 500 --n_gpus 8 --arms 8 --preset trajectory',
  'preferences --rollouts data/abel_regime_w_rollouts.jsonl --out data/abel_coherence_preferences.jsonl --threshold 0.01 --max-pairs-per-question 16',
  'evaluate --model outputs/dpo/iter0/final --data data/processed/prontoqa_test.jsonl --output o --merge-adapter',
  'evaluate --base-model b --lora-path l --data d --output o --task gsm8k-platinum --num-problems 10',
  'evaluate --model m --data d --output o --task folio --samples-per-problem 4',
  'compare outputs/abel_ppo_platinum_eval.jsonl outputs/abel_dpo_coherence_platinum_eval.jsonl',
  'abel --n-gpus 8',
  'run configs/oak.yaml --set dpo.beta=0.2 --resume --dry-run',
  'runs list outputs',
  'runs show outputs/oak',
  'runs diff outputs/a outputs/b',
  'verify --traces t',
  'explain --traces t',
  'baseline --data d',
  'regime-w --rollouts r --preset guide',
  'grade --outputs o --output-field a --gold-field b',
  'merge --model m --output o',
  'data convert --data d --output o',
  'data inspect --data d',
  'plan configs/oak.yaml',
  'report outputs/oak',
  'doctor',
  'setup',
  'init oak',
]

describe("the guides' commands in their new form", () => {
  test.each(COMMANDS)('elenchus %s', (line) => {
    const [words = []] = commandsOf(line)
    expect(refusalOf(words)).toBeNull()
  })
})
