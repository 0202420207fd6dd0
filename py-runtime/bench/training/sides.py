"""Two sides of a comparison, each a process of its own, measured in turns.

A side answers one JSON line per JSON line: `step` takes one optimiser step and says what it cost,
`gradient` writes the gradient of that step, `rest` forgets peaks.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MIB = 1 << 20


# In the side's process


class Meter:
    """Seconds and memory of this process, or of its device."""

    def __init__(self, cuda: bool) -> None:
        self._cuda = cuda

    def memory(self, peak: bool) -> int:
        if self._cuda:
            import torch

            return torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()
        wanted = 'VmHWM' if peak else 'VmRSS'
        for line in Path('/proc/self/status').read_text().splitlines():
            if line.startswith(wanted):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f'This system does not tell {wanted}.')

    def rest(self) -> None:
        gc.collect()
        if self._cuda:
            import torch

            torch.cuda.reset_peak_memory_stats()
            return
        ctypes.CDLL(None).malloc_trim(0)
        Path('/proc/self/clear_refs').write_text('5')

    def measure(self, work: Callable[[], Any]) -> dict[str, Any]:
        self._synchronise()
        wall, cpu = time.perf_counter(), time.process_time()
        facts = work()
        self._synchronise()
        seconds = {'wall_s': time.perf_counter() - wall, 'cpu_s': time.process_time() - cpu}
        return seconds | (facts if isinstance(facts, dict) else {})

    def _synchronise(self) -> None:
        if self._cuda:
            import torch

            torch.cuda.synchronize()


def answer(cuda: bool, step: Callable[..., Any], gradient: Callable[[str], Any]) -> None:
    """Serves the commands on standard input. Libraries that print do so on standard error."""
    out = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    meter = Meter(cuda)
    meter.rest()
    loaded = meter.memory(peak=False)
    out.write(json.dumps({'loaded_bytes': loaded}) + '\n')
    out.flush()
    for line in sys.stdin:
        command, settings = json.loads(line)
        facts: dict[str, Any] = {}
        if command == 'step':
            facts = meter.measure(lambda settings=settings: step(**settings))
        elif command == 'gradient':
            gradient(**settings)
        elif command == 'rest':
            meter.rest()
        peak = meter.memory(peak=True)
        facts |= {'peak_bytes': peak, 'step_bytes': peak - loaded}
        out.write(json.dumps(facts) + '\n')
        out.flush()


# In the process that compares


class Side:
    def __init__(self, name: str, file: str, spec: dict[str, Any]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / file), json.dumps(spec)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get('BENCH_VERBOSE') else subprocess.DEVNULL,
            text=True,
        )
        self.loaded = self._read()['loaded_bytes']

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f'{self.name} ended early; BENCH_VERBOSE=1 shows why.')
        return json.loads(line)

    def ask(self, command: str, **settings: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, settings]) + '\n')
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def options(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--device', default='cpu', choices=['cpu', 'cuda'])
    parser.add_argument('--shape', default='10m', help='10m, toy, mistral-7b, qwen3-8b')
    parser.add_argument('--weights', default=None, choices=['lora', 'full'], help='default: both on the CPU')
    parser.add_argument('--questions', type=int, default=2, help='questions per optimiser step')
    parser.add_argument('--trajectories', type=int, default=8)
    parser.add_argument('--correct', type=int, default=2)
    parser.add_argument('--prompt-tokens', type=int, default=100)
    parser.add_argument('--completion-tokens', type=int, default=150)
    parser.add_argument('--micro-batch-tokens', type=int, default=16_384)
    parser.add_argument('--gradient-checkpointing', action='store_true')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument(
        '--batch-sizes', type=int, nargs='+', help='tried by the other side; the fastest is kept'
    )
    parser.add_argument('--ours-only', action='store_true', help='measure without the other side')
    # `npm run bench:x --json` keeps the flag to itself, and tells the script so.
    npm = os.environ.get('npm_config_json') == 'true'  # noqa: SIM112
    parser.add_argument('--json', action='store_true', default=npm)
    return parser


def in_turns(sides: list[tuple[Side, dict[str, Any]]], runs: int, clock: str) -> dict[str, dict[str, Any]]:
    """Medians of the seconds, largest of the peaks; each side once per round."""
    for side, settings in sides:
        side.ask('step', **settings)
        side.ask('rest')
    rounds = [{side.name: side.ask('step', **settings) for side, settings in sides} for _ in range(runs)]
    result: dict[str, dict[str, Any]] = {}
    for side, _ in sides:
        own = [each[side.name] for each in rounds]
        seconds = statistics.median(each[clock] for each in own)
        result[side.name] = own[-1] | {
            'seconds': seconds,
            'spread_s': [min(each[clock] for each in own), max(each[clock] for each in own)],
            'wall_s': statistics.median(each['wall_s'] for each in own),
            'peak_bytes': max(each['peak_bytes'] for each in own),
            'step_bytes': max(each['step_bytes'] for each in own),
            'loaded_bytes': side.loaded,
        }
    return result


def fastest(side: Side, sizes: list[int], clock: str) -> tuple[int, dict[int, dict[str, Any]]]:
    """The batch size that suits a side, and what each cost."""
    tried: dict[int, dict[str, Any]] = {}
    side.ask('step', batch_size=sizes[0])
    for size in sizes:
        side.ask('rest')
        tried[size] = side.ask('step', batch_size=size)
    return min(sizes, key=lambda size: tried[size][clock]), tried


def gradient_gap(first: str, second: str) -> dict[str, float]:
    """Largest difference, relative to the largest entry of the whole gradient."""
    from safetensors.torch import load_file

    ours, theirs = load_file(first), load_file(second)
    if set(ours) != set(theirs):
        raise SystemExit(f'The sides train different parameters: {sorted(set(ours) ^ set(theirs))[:4]}')
    largest = max(float(value.abs().max()) for value in theirs.values())
    gap = max(float((ours[name] - theirs[name]).abs().max()) for name in ours)
    return {'largest_entry': largest, 'largest_difference': gap, 'relative': gap / largest}
