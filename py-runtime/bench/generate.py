"""Tokens per second: the native engine, transformers' `generate` and `generate_batch`, vLLM where present.

    npm run bench:generate -- [--models 5m 30m] [--sequences 64 256] [--runs 3] [--json]
    npm run bench:generate -- --device cuda --shape mistral-7b [--rollouts]

Random weights. Everybody writes the same number of tokens for each sequence, and nobody knows it beforehand.
Runs alternate; medians are reported. On the CPU one thread, and processor time, which other work on a
machine disturbs least; on a GPU the clock.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import transformers
from generation.contenders import Contender, generate_batch, native, transformers_generate
from generation.roofline import measure
from generation.shapes import make_base
from generation.work import Work, draw_work, fixed_work

from elenchus_runtime.adapters import Adapters
from elenchus_runtime.decoder import ACCELERATOR_SLOTS
from elenchus_runtime.models import Base, release
from elenchus_runtime.protocol import AdapterCreate

Row = dict[str, Any]


def main() -> None:
    imports_s = process_age()
    options = parse()
    transformers.logging.set_verbosity_error()
    device = torch.device(options.device)
    dtype = torch.float32 if device.type == 'cpu' else torch.bfloat16
    torch.set_num_threads(options.threads)
    document: dict[str, Any] = {
        'bench': 'generate',
        'date': datetime.now(UTC).isoformat(timespec='seconds'),
        'command': ' '.join(['npm run bench:generate --', *sys.argv[1:]]),
        'hardware': hardware(device, options.threads),
        'versions': {'torch': torch.__version__, 'transformers': transformers.__version__},
        'unit': 'tokens per second of ' + ('processor time' if device.type == 'cpu' else 'time'),
        'results': [],
        'ratios': {},
    }
    for name in [options.shape] if options.shape else options.models:
        base = make_base(name, device, dtype)
        model = with_adapter(base) if options.adapter else base.model
        for sequences in options.sequences:
            rows = compare(base, model, name, make_work(options, base, sequences), options)
            document['results'] += rows
            document['ratios'] |= ratios(name, sequences, rows)
        if 'native' in options.engines and (device.type != 'cpu' or options.roofline):
            document.setdefault('roofline', {})[name] = roofline(base, name, document, options)
        if options.rollouts:
            document.setdefault('rollouts', {})[name] = rollouts(base, model, options, imports_s)
        del base, model
    if options.json:
        print(json.dumps(document, indent=2))
    else:
        report(document)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Compares generation engines.')
    parser.add_argument('--models', nargs='+', default=['5m', '30m'], help='tiny, 5m, 30m, 5m-gqa, 30m-gqa')
    parser.add_argument('--shape', help='mistral-7b or qwen3-8b: the setting of a GPU, outputs of one length')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=int(os.environ.get('OMP_NUM_THREADS', '1')))
    parser.add_argument('--sequences', nargs='+', type=int)
    parser.add_argument('--samples', type=int, default=8, help='per prompt')
    parser.add_argument('--prompt', type=int, help='tokens of a prompt')
    parser.add_argument('--mean', type=int, default=60, help='mean output length, geometric')
    parser.add_argument('--most', type=int, default=256)
    parser.add_argument('--outputs', type=int, help='tokens of every output, instead of a geometric length')
    parser.add_argument('--rows', nargs='+', type=int, help="batch sizes tried for transformers' generate")
    parser.add_argument('--slots', type=int, help='of the native engine')
    parser.add_argument('--engines', nargs='+', default=['native', 'transformers', 'generate_batch', 'vllm'])
    parser.add_argument('--adapter', action='store_true', help='LoRA of rank 16 on all linear layers')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--rollouts', action='store_true', help='also 500 prompts x 8, imports included')
    parser.add_argument('--questions', type=int, default=500, help='of --rollouts')
    parser.add_argument('--roofline', action='store_true', help='also on the CPU')
    parser.add_argument('--seed', type=int, default=1)
    # `npm run bench:x --json` keeps the flag to itself, and tells the script so.
    npm = os.environ.get('npm_config_json') == 'true'  # noqa: SIM112
    parser.add_argument('--json', action='store_true', default=npm)
    options = parser.parse_args()
    big = options.shape is not None
    options.sequences = options.sequences or ([512] if big else [64, 256])
    options.prompt = options.prompt or (150 if big else 100)
    options.outputs = options.outputs or (250 if big else None)
    options.rows = options.rows or ([128, 256, 512] if big else [8, 16, 32, 64, 128, 256])
    return options


def make_work(options: argparse.Namespace, base: Base, sequences: int) -> Work:
    shape = (sequences, options.samples, options.prompt, base.vocab_size)
    if options.outputs:
        return fixed_work(*shape, options.outputs)
    return draw_work(*shape, options.mean, options.most, options.seed)


def with_adapter(base: Base) -> Any:
    adapters = Adapters(base)
    adapters.create(AdapterCreate('policy', 16, 32.0, 0.0, 'all-linear', 0))
    return adapters.use('policy')


def compare(base: Base, model: Any, name: str, work: Work, options: argparse.Namespace) -> list[Row]:
    """Picks everybody's best setting by one run each, then lets the best ones run in turn."""
    candidates: dict[str, dict[str, Contender]] = {
        'native': {f'slots={options.slots or "default"}': native(options.slots)},
        'transformers': {
            f'rows={rows}': transformers_generate(rows)
            for rows in options.rows
            if rows <= max(len(work.lengths), min(options.rows))
        },
        'generate_batch': {
            f'batch_tokens={tokens}, page={page}': generate_batch(tokens, page)
            for tokens, page in ((256, 32), (1024, 256))
        },
    }
    settings: dict[str, str] = {}
    tried: dict[str, dict[str, float]] = {}
    for engine in [engine for engine in candidates if engine in options.engines]:
        say(f'{name}, {len(work.lengths)} sequences: {engine}')
        native(options.slots)(base, model, Work(work.prompts[:1], work.samples, [2] * work.samples))
        found: dict[str, float] = {}
        for label, run in candidates[engine].items():
            try:
                found[label] = work.tokens / run(base, model, work)
            except Exception as error:
                # Of the others: what they cannot do must not cost what has been measured.
                if engine == 'native':
                    raise
                say(f'{name}, {len(work.lengths)} sequences: {engine}, {label}: {error!r}')
            release()
        tried[engine] = found
        if found:
            settings[engine] = max(found, key=lambda label: found[label])
    # The run that picked a setting is not counted: its best is a lucky one.
    rates: dict[str, list[float]] = {engine: [] for engine in settings}
    for turn in range(options.runs):
        say(f'{name}, {len(work.lengths)} sequences: run {turn + 1} of {options.runs}')
        for engine, label in settings.items():
            rates[engine].append(work.tokens / candidates[engine][label](base, model, work))
            release()
    rows = [
        {
            'model': name,
            'sequences': len(work.lengths),
            'tokens': work.tokens,
            'engine': engine,
            'setting': settings[engine],
            'tokens_per_s': statistics.median(rates[engine]),
            'runs': rates[engine],
            'tried': tried[engine],
        }
        for engine in settings
    ]
    if 'vllm' in options.engines and vllm_is_here() and base.device.type == 'cuda':
        rows.append(vllm_row(base, name, work, options.runs))
    return rows


def vllm_is_here() -> bool:
    return importlib.util.find_spec('vllm') is not None


def vllm_row(base: Base, name: str, work: Work, runs: int) -> Row:
    from generation.vllm_contender import run_vllm

    rates = run_vllm(base, work, runs)
    return {
        'model': name,
        'sequences': len(work.lengths),
        'tokens': work.tokens,
        'engine': 'vllm',
        'setting': 'default',
        'tokens_per_s': statistics.median(rates),
        'runs': rates,
    }


def ratios(name: str, sequences: int, rows: list[Row]) -> dict[str, float]:
    rate = {row['engine']: row['tokens_per_s'] for row in rows}
    return {
        f'generate.native_over_{engine}.{name}.{sequences}': rate['native'] / rate[engine]
        for engine in rate
        if engine != 'native' and 'native' in rate
    }


def roofline(base: Base, name: str, document: dict[str, Any], options: argparse.Namespace) -> Row:
    found = measure(base.device, base.dtype)
    (row,) = [
        row
        for row in document['results']
        if (row['model'], row['engine'], row['sequences']) == (name, 'native', options.sequences[-1])
    ]
    work = make_work(options, base, options.sequences[-1])
    bound = found.tokens_per_s(base, work, options.slots or ACCELERATOR_SLOTS)
    return {
        'bytes_per_s': found.bytes_per_s,
        'flops_per_s': found.flops_per_s,
        'bound_tokens_per_s': bound,
        'share': row['tokens_per_s'] / bound,
    }


def rollouts(base: Base, model: Any, options: argparse.Namespace, imports_s: float) -> Row:
    """The guide's rollouts on one device, imports and making random weights there counted; a run reads its
    weights from a disk, which takes longer.
    """
    work = make_work(options, base, options.questions * 8)
    started = time.perf_counter()
    native(options.slots)(base, model, work)
    took = time.perf_counter() - started
    return {
        'questions': options.questions,
        'tokens': work.tokens,
        'generate_s': took,
        'imports_s': imports_s,
        'weights_s': base.load_s,
        'total_s': imports_s + base.load_s + took,
    }


def process_age() -> float:
    """Seconds since this process was started, by the kernel's count."""
    ticks = int(Path('/proc/self/stat').read_text().rpartition(')')[2].split()[19])
    uptime = float(Path('/proc/uptime').read_text().split()[0])
    return uptime - ticks / os.sysconf('SC_CLK_TCK')


def hardware(device: torch.device, threads: int) -> str:
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {threads} thread(s) used'


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def report(document: dict[str, Any]) -> None:
    print(f'{document["date"]}, {document["hardware"]}; {document["unit"]}, medians')
    print(f'{"model":12} {"sequences":>9}  {"engine":15} {"tokens/s":>10}   setting')
    for row in document['results']:
        print(
            f'{row["model"]:12} {row["sequences"]:9}  {row["engine"]:15} {row["tokens_per_s"]:10,.0f}   '
            f'{row["setting"]}'
        )
    for name, ratio in document['ratios'].items():
        print(f'{name:60} {ratio:6.2f}')
    for name, found in document.get('roofline', {}).items():
        print(
            f'{name}: {found["bytes_per_s"] / 1e9:,.0f} GB/s and {found["flops_per_s"] / 1e12:,.2f} TFLOP/s; '
            f'bound {found["bound_tokens_per_s"]:,.0f} tokens/s, native reaches {found["share"]:.0%}'
        )
    for name, found in document.get('rollouts', {}).items():
        print(f'{name}: {found["questions"]} x 8 rollouts in {found["total_s"]:,.0f} s, imports included')


if __name__ == '__main__':
    main()
