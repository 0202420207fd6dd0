"""Runs both sides of a comparison and says what came out, for people or as one JSON document."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Any

import torch
from shapes import PEAK_FLOPS
from sides import MIB, Side, fastest, gradient_gap, in_turns


def compare(
    args: argparse.Namespace,
    algorithm: str,
    other: tuple[str, str],
    sizes: list[int],
    units: dict[str, int],
    tolerance: float,
) -> dict[str, Any]:
    """`units`: what a step consists of, by name; its first is what is counted per second."""
    cuda = args.device == 'cuda'
    weights = [args.weights] if args.weights else ['lora'] if cuda else ['lora', 'full']
    document: dict[str, Any] = {
        'bench': algorithm,
        'date': datetime.now(UTC).isoformat(timespec='seconds'),
        'command': ' '.join([f'npm run bench:{algorithm} --', *sys.argv[1:]]),
        'device': torch.cuda.get_device_name() if cuda else platform.machine(),
        'versions': {name: version(name) for name in ('torch', 'transformers', 'peft', 'trl')},
        'shape': args.shape,
        'clock': 'wall_s' if cuda else 'cpu_s',
        'questions': args.questions,
        'trajectories': args.trajectories,
        'prompt_tokens': args.prompt_tokens,
        'completion_tokens': args.completion_tokens,
        **units,
        'cases': {kind: _case(args, algorithm, kind, other, sizes, units, tolerance) for kind in weights},
    }
    first = document['cases'][weights[0]]
    if 'ratios' in first:
        document['ratios'] = first['ratios'] | {
            f'{kind}.{name}': value
            for kind in weights[1:]
            for name, value in document['cases'][kind]['ratios'].items()
        }
    return document


def _case(
    args: argparse.Namespace,
    algorithm: str,
    weights: str,
    other: tuple[str, str],
    sizes: list[int],
    units: dict[str, int],
    tolerance: float,
) -> dict[str, Any]:
    names = ('questions', 'trajectories', 'correct', 'prompt_tokens', 'completion_tokens')
    spec = {
        'algorithm': algorithm,
        'weights': weights,
        'device': args.device,
        'shape': args.shape,
        'micro_batch_tokens': args.micro_batch_tokens,
        'gradient_checkpointing': args.gradient_checkpointing,
        'work': {name: getattr(args, name) for name in names},
    }
    clock = 'wall_s' if args.device == 'cuda' else 'cpu_s'
    unit, count = next(iter(units.items()))
    ours = Side('ours', 'ours.py', spec)
    case: dict[str, Any] = {}
    sides: list[tuple[Side, dict[str, Any]]] = [(ours, {})]
    if not args.ours_only:
        name, file = other
        theirs = Side(name, file, spec)
        _say(f'{weights}: comparing gradients')
        with tempfile.TemporaryDirectory() as scratch:
            first, second = f'{scratch}/ours', f'{scratch}/theirs'
            ours.ask('gradient', path=first)
            theirs.ask('gradient', path=second, batch_size=sizes[0])
            case['gradient'] = gradient_gap(first, second)
        if case['gradient']['relative'] > tolerance and args.device == 'cpu':
            raise SystemExit(f'The gradients differ: {case["gradient"]}')
        _say(f'{weights}: looking for the batch size that suits {name}')
        size, tried = fastest(theirs, sizes, clock)
        case['batch_size'] = size
        case['tried'] = {
            str(each): {'seconds': facts[clock], 'step_bytes': facts['step_bytes']}
            for each, facts in tried.items()
        }
        sides.append((theirs, {'batch_size': size}))
    _say(f'{weights}: measuring')
    case['sides'] = in_turns(sides, args.runs, clock)
    for side, _ in sides:
        own = case['sides'][side.name]
        own[f'{unit}_per_s'] = count / own['seconds']
        side.close()
    peak = next((value for name, value in PEAK_FLOPS.items() if name in _device(args)), None)
    if peak is not None:
        case['mfu'] = case['sides']['ours']['flops'] / case['sides']['ours']['seconds'] / peak
    if not args.ours_only:
        case['ratios'] = _ratios(case['sides'], other[0], unit)
    return case


def _ratios(sides: dict[str, dict[str, Any]], other: str, unit: str) -> dict[str, float]:
    ours, theirs = sides['ours'], sides[other]
    return {
        f'{unit}_per_s.ours_over_{other}': ours[f'{unit}_per_s'] / theirs[f'{unit}_per_s'],
        f'peak_memory.ours_over_{other}': ours['step_bytes'] / theirs['step_bytes'],
        f'peak_memory_of_process.ours_over_{other}': ours['peak_bytes'] / theirs['peak_bytes'],
    }


def version(package: str) -> str | None:
    try:
        return installed(package)
    except PackageNotFoundError:
        return None


def _device(args: argparse.Namespace) -> str:
    return torch.cuda.get_device_name() if args.device == 'cuda' else ''


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def show(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(document, indent=2))
        return
    unit = 'pairs' if 'pairs' in document else 'trajectories'
    print(
        f'{document["date"]}, {document["bench"]}, {document["shape"]} on {document["device"]}; '
        f'seconds are {document["clock"]}. '
        f'Per step {document[unit]} {unit}: {document["questions"]} questions, each of '
        f'{document["prompt_tokens"]} tokens, with {document["trajectories"]} trajectories of '
        f'{document["completion_tokens"]}.'
    )
    row = '{:6} {:10} {:>12} {:>9} {:>11} {:>14} {:>14}'
    print(row.format('', '', f'{unit}/s', 's/step', 'tokens read', 'step peak MiB', 'process MiB'))
    for kind, case in document['cases'].items():
        for name, side in case['sides'].items():
            print(
                row.format(
                    kind,
                    name,
                    f'{side[f"{unit}_per_s"]:.2f}',
                    f'{side["seconds"]:.2f}',
                    side['tokens'],
                    f'{side["step_bytes"] / MIB:.0f}',
                    f'{side["peak_bytes"] / MIB:.0f}',
                )
            )
        if 'gradient' in case:
            print(f'       gradients equal to {case["gradient"]["relative"]:.1e} of the largest entry')
            print(
                f'       batch size of the other side: {case["batch_size"]}, fastest of {list(case["tried"])}'
            )
        if 'mfu' in case:
            factor = 4 if kind == 'lora' else 6
            print(
                f'       MFU of ours {100 * case["mfu"]:.1f} % of the dense bf16 peak on the data sheet '
                f'({factor} FLOP per parameter and token, each token once, attention not counted)'
            )
        for name, value in case.get('ratios', {}).items():
            print(f'       {name} {value:.2f}')
