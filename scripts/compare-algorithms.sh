#!/usr/bin/env bash
# PPO, GRPO and RLOO side by side at an equal budget: from the same base, on the same questions, with as many answers,
# passes and optimiser settings. Prints one line per seed and algorithm: accuracy on the held-out questions.
#   scripts/compare-algorithms.sh RUN...      directories of finished runs of configs/tiny.abel.yaml, one per seed
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || {
  echo "usage: scripts/compare-algorithms.sh RUN... (make one: ./scripts/quickstart.sh abel --set seed=1 --set output=outputs/abel1)" >&2
  exit 2
}
elenchus() { node dist/cli/main.js "$@"; }

# The settings of configs/tiny.abel.yaml; the critic and its warm-up are PPO's alone.
shared=(--n-samples 768 --batch-size 64 --group-size 4 --num-epochs 2 --mini-batch-size 128
  --learning-rate 1e-3 --kl-coef 0.02 --max-new-tokens 96 --save-every 0 --threads 1)
evaluation=(--task gsm8k --max-new-tokens 96 --coherence-samples 0 --threads 1)

echo "run algorithm accuracy low high training_seconds"
for run in "$@"; do
  for algorithm in ppo grpo rloo; do
    out="$run/algorithms/$algorithm"
    own=()
    [ "$algorithm" = ppo ] && own=(--value-learning-rate 3e-3 --value-warmup 3)
    elenchus ppo --base-model "$run/base/habits/final" --data-path "$run/data/gsm8k_train.jsonl" --output "$out" \
      --algorithm "$algorithm" "${shared[@]}" "${own[@]}" --seed 7 --resume >/dev/null 2>&1
    elenchus evaluate --base-model "$run/base/habits/final" --lora-path "$out" --data "$run/data/gsm8k_platinum.jsonl" \
      --output "$out-answers.jsonl" "${evaluation[@]}" --resume --json >"$out.evaluation.json" 2>/dev/null
    node -e '
      const { readFileSync } = require("node:fs")
      const [run, algorithm, out] = process.argv.slice(1)
      const { accuracy } = JSON.parse(readFileSync(`${out}.evaluation.json`, "utf8")).metrics
      const { seconds } = JSON.parse(readFileSync(`${out}/summary.json`, "utf8"))
      const percent = (share) => (100 * share).toFixed(1)
      console.log(run, algorithm, percent(accuracy.value), percent(accuracy.low), percent(accuracy.high), seconds.toFixed(0))
    ' "$run" "$algorithm" "$out"
  done
done
