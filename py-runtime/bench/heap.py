"""What keeping freed memory saves: steps of training of a small model, with and without it, in turns.

npm run bench:heap [-- --runs 5] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

STEPS = 25


def measure(keep: bool) -> dict[str, float]:
    """Seconds of the processor, page faults and peak of this process over some optimiser steps."""
    import resource

    if keep:
        from elenchus_runtime.heap import keep_freed_memory

        if not keep_freed_memory():
            sys.exit('This C library is not glibc, or MALLOC_* is set: nothing to measure.')
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=2000,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=512,
    )
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
    ids = torch.randint(0, 2000, (16, 200))

    def step() -> None:
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()

    for _ in range(3):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(STEPS):
        step()
    after = resource.getrusage(resource.RUSAGE_SELF)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return {
        'seconds': user + system,
        'system_seconds': system,
        'page_faults': after.ru_minflt - before.ru_minflt,
        'peak_mib': after.ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--json', action='store_true')
    parser.add_argument('--measure', choices=['kept', 'returned'], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is not None:
        print(json.dumps(measure(args.measure == 'kept')))
        return
    runs: dict[str, list[dict[str, float]]] = {'kept': [], 'returned': []}
    for _ in range(args.runs):
        for how, found in runs.items():
            command = [sys.executable, __file__, '--measure', how]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
    medians = {
        how: {name: statistics.median(run[name] for run in found) for name in found[0]}
        for how, found in runs.items()
    }
    ratio = medians['kept']['seconds'] / medians['returned']['seconds']
    if args.json:
        document = {'steps': STEPS, 'medians': medians, 'ratios': {'seconds.kept_over_returned': ratio}}
        print(json.dumps(document, indent=2))
        return
    print(f'{STEPS} steps, medians of {args.runs}: processor time, of it in the kernel, faults, peak')
    for how, median in medians.items():
        print(
            f'{how:10} {median["seconds"]:6.2f} s {median["system_seconds"]:6.2f} s'
            f' {median["page_faults"]:10,.0f} {median["peak_mib"]:6.0f} MiB'
        )
    print(f'ratio of seconds {ratio:.3f}')


if __name__ == '__main__':
    main()
