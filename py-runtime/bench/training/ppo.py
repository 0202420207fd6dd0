"""Trajectories per second and peak memory of a PPO/GRPO step: ours and the textbook's.

    npm run bench:ppo [-- --json] [-- --weights lora|full] [-- --device cuda --shape mistral-7b --ours-only]

The textbook is plain PyTorch on the stock model: every trajectory by itself with its prompt, logits of the
completion positions only, clipped ratios, a mean over tokens. That is what TRL's GRPOTrainer does per
micro-batch (TRL has no PPOTrainer any more) without its metrics, so it is the more demanding comparison.
There is no critic on either side. Otherwise as `dpo.py`.
"""

from __future__ import annotations

from report import compare, show
from sides import options


def main() -> None:
    parser = options(__doc__ or '')
    args = parser.parse_args()
    trajectories = args.questions * args.trajectories
    show(
        compare(
            args,
            'ppo',
            ('textbook', 'textbook_ppo.py'),
            args.batch_sizes or [1, 2, 4, 8],
            {'trajectories': trajectories},
            1e-5,
        ),
        args.json,
    )


if __name__ == '__main__':
    main()
