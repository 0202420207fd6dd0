"""Preference pairs per second and peak memory: our pair graph and TRL's DPOTrainer on the same pairs.

    npm run bench:dpo [-- --json] [-- --weights lora|full] [-- --device cuda --shape mistral-7b --ours-only]

Both sides run in processes of their own, in turns, one thread each, with the same weights, ids, pairs per
optimiser step, precomputed references, clipping and AdamW. Their gradients are compared before anything is
timed. On the CPU seconds are those of the processor, not of the clock on the wall: other work on the machine
then disturbs less.
"""

from __future__ import annotations

from report import compare, show
from sides import options


def main() -> None:
    parser = options(__doc__ or '')
    args = parser.parse_args()
    pairs = args.questions * args.correct * (args.trajectories - args.correct)
    show(
        compare(args, 'dpo', ('trl', 'trl_dpo.py'), args.batch_sizes or [1, 2, 4, 8], {'pairs': pairs}, 1e-5),
        args.json,
    )


if __name__ == '__main__':
    main()
