"""Processor time that the native engine's host side takes per decode step, the device's part left out.

    npm run bench:engine-host -- [--slots 512] [--sequences 2048] [--pieces] [--accelerator] [--json]

The decoder is the real one with a step that computes nothing, and drawing hands out ids of texts that were
written beforehand; slots, rows of prompts, refills, texts, stops, log-probabilities and progress are what
they are in a run. `oak`: proofs with the stops and the segments of the OaK loop. `abel`: worked answers with
the stop of the Abel pipeline. `unstopped`: those answers over and over, with that stop in vain. `uneven`:
cut anywhere, so that lengths are geometric. Byte-level BPE vocabulary of up to 32,000, trained on this
repository; with `--pieces` one of Llama 2's kind. With `--accelerator` in the shapes and the order of steps
of one, and the captures that it would make are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import msgspec
import torch
import transformers
from generation.host_cases import Case, cases, completions
from generation.host_stubs import make_host_base, replaced, script_of
from generation.host_texts import bpe_tokenizer

from elenchus_runtime import engine_native
from elenchus_runtime.decode_graphs import EAGER_RUNS
from elenchus_runtime.detokenise import Detokeniser
from elenchus_runtime.job import Job
from elenchus_runtime.lean_decoder import LeanDecoder
from elenchus_runtime.plan import Group, Plan
from elenchus_runtime.pulse import Pulse


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    tokenizer = bpe_tokenizer(options.pieces)
    texts = Detokeniser(tokenizer)
    document: dict[str, Any] = {
        'bench': 'engine-host',
        'date': datetime.now(UTC).isoformat(timespec='seconds'),
        'command': ' '.join(['npm run bench:engine-host --', *sys.argv[1:]]),
        'hardware': f'{platform.processor() or platform.machine()}, {os.cpu_count()} cores, 1 thread used',
        'versions': {'torch': torch.__version__, 'transformers': transformers.__version__},
        'unit': 'milliseconds of processor time per decode step',
        'vocabulary': len(tokenizer),
        'slots': options.slots,
        'results': {},
    }
    for name, case in cases(random.Random(1), options.tokens).items():
        scripts = [tokenizer.encode(text, add_special_tokens=False) for text in case.texts]
        runs = [measure(case, scripts, texts, options) for _ in range(options.runs)]
        document['results'][name] = {
            'ms_per_step': statistics.median(run['ms_per_step'] for run in runs),
            'pushes_ms_per_step': statistics.median(run['pushes_ms_per_step'] for run in runs),
            'steps': runs[0]['steps'],
            'tokens_per_step': runs[0]['tokens_per_step'],
            'captures': runs[0]['captures'] if options.accelerator else None,
            'runs': [run['ms_per_step'] for run in runs],
        }
    if options.json:
        print(json.dumps(document, indent=2))
    else:
        report(document)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Host time per decode step of the native engine.')
    parser.add_argument('--slots', type=int, default=512)
    parser.add_argument('--sequences', type=int, default=2048)
    parser.add_argument('--samples', type=int, default=8, help='per prompt')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--tokens', type=int, default=512, help='of a completion, at most')
    parser.add_argument('--pieces', action='store_true', help='word pieces and byte fallback')
    parser.add_argument('--accelerator', action='store_true', help='its shapes, and a step ahead')
    parser.add_argument('--json', action='store_true')
    return parser.parse_args()


def measure(
    case: Case, scripts: list[list[int]], texts: Detokeniser, options: argparse.Namespace
) -> dict[str, float]:
    """The whole of the host's work, and apart from it what the completions take of it."""
    samples = completions(case, texts, options.sequences)
    groups = [
        Group([1] * 150, samples[start : start + options.samples])
        for start in range(0, len(samples), options.samples)
    ]
    job = Job('id', 'generate', msgspec.Raw(b'\x80'), {}, lambda *_: None, Pulse())
    steps = tokens = ended = 0
    base = make_host_base()

    def counted(step: Any, decoder: LeanDecoder, used: int) -> torch.Tensor:
        nonlocal steps
        steps += 1
        return step(decoder, used)

    def tick(count: int) -> None:
        nonlocal tokens
        tokens += count
        job.advance()
        job.progress(ended, options.sequences, generated_tokens=tokens)

    with ExitStack() as stack:
        shapes = replaced(stack, scripts, case.tokens, counted, options.accelerator)
        began = time.process_time()
        plan = Plan(groups, 1.0, 1.0, False, options.slots)
        for completion in engine_native.run(base, base.model, plan, tick):
            assert completion.finish_reason is not None
            ended += 1
        took = time.process_time() - began
    assert ended == options.sequences
    return {
        'ms_per_step': 1000 * took / steps,
        'pushes_ms_per_step': 1000 * pushes(case, scripts, texts, options) / steps,
        'steps': steps,
        'tokens_per_step': tokens / steps,
        'captures': sum(count > EAGER_RUNS for count in shapes.values()),
    }


def pushes(case: Case, scripts: list[list[int]], texts: Detokeniser, options: argparse.Namespace) -> float:
    """Seconds for the same tokens given to the same completions, and nothing else."""
    samples = completions(case, texts, options.sequences)
    ids = [script_of(scripts, sample.seed, case.tokens).astype(int).tolist() for sample in samples]
    began = time.process_time()
    for sample, script in zip(samples, ids, strict=True):
        for id in script:
            if sample.completion.push(id, -1.0):
                break
    return time.process_time() - began


def report(document: dict[str, Any]) -> None:
    print(
        f'{document["date"]}, {document["hardware"]}; {document["unit"]}, {document["slots"]} slots, '
        f'vocabulary {document["vocabulary"]}, medians'
    )
    for name, found in document['results'].items():
        print(
            f'{name:10} {found["ms_per_step"]:6.2f}, texts and stops {found["pushes_ms_per_step"]:6.2f}; '
            f'{found["steps"]} steps of {found["tokens_per_step"]:.0f} tokens'
            + ('' if found['captures'] is None else f', {found["captures"]} captures')
        )


if __name__ == '__main__':
    main()
