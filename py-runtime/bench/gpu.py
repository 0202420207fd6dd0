"""Everything that is to be measured on one GPU, in one go: sampling, rollouts, preference and policy steps.

    npm run bench:gpu -- [--shape mistral-7b] [--out FOLDER] [--minutes 8] [--only sampling dpo-4]
    npm run bench:gpu -- --dry-run                                  # every step on the CPU with tiny shapes
    python3 py-runtime/bench/gpu.py ...                             # the same where there is no Node

Each step is one of the other benches as a process of its own, so a step that fails costs the others nothing.
The most telling come first; `--minutes` leaves out what no longer fits, and the next call with the same
FOLDER takes what the documents there lack. A step's document is kept as FOLDER/STEP.json, its log as
FOLDER/STEP.log, and at the end what was found stands beside what was to be reached. Exit status 1 if a step
failed; a missed target is a finding, not a failure, and neither is a step that was left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Document = dict[str, Any]
SECONDS = 1800
"""A step that takes longer has hung."""
SHORTEST = 40
"""No step is begun with fewer seconds left: starting Python and making 7B weights takes as long."""
QUESTIONS = [4, 8, 12, 2, 6]
"""Per optimiser step, of 8 trajectories: more fill the device better, until memory runs out."""


@dataclass(frozen=True)
class Step:
    name: str
    file: str
    arguments: list[str]


@dataclass(frozen=True)
class Target:
    what: str
    step: str
    find: Callable[[Document], float | None]
    goal: float
    at_most: bool = False
    """Whether less is better."""


def main() -> None:
    options = parse()
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + options.minutes * 60
    documents: dict[str, Document] = {}
    failed: list[str] = []
    left_out: list[str] = []
    for step in chosen(options):
        document = kept(step, folder)
        if document is None:
            left = until - time.monotonic()
            if left < SHORTEST:
                left_out.append(step.name)
                continue
            document = take(step, folder, min(SECONDS, left))
        if document is None:
            failed.append(step.name)
        else:
            documents[step.name] = document
    shape = 'tiny model, dry run' if options.dry_run else options.shape
    found = [row(target, documents, verdicts=not options.dry_run) for target in targets(shape)]
    whole = {
        'bench': 'gpu',
        'shape': options.shape,
        'dry_run': options.dry_run,
        'failed': failed,
        'left_out': left_out,
        'targets': found,
        'steps': documents,
    }
    (folder / 'gpu.json').write_text(json.dumps(whole, indent=2))
    if options.json:
        print(json.dumps(whole, indent=2))
    else:
        report(found, failed, left_out, folder)
    sys.exit(1 if failed else 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Measures everything on one GPU.')
    parser.add_argument('--shape', default='mistral-7b', choices=['mistral-7b', 'qwen3-8b'])
    parser.add_argument('--out', default='bench-gpu')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--minutes', type=float, default=24 * 60, help='begin nothing that ends later')
    parser.add_argument('--only', nargs='+', metavar='STEP', help='these steps, taken again')
    parser.add_argument('--dry-run', action='store_true', help='on the CPU, with tiny shapes')
    parser.add_argument('--json', action='store_true')
    return parser.parse_args()


def steps(options: argparse.Namespace) -> list[Step]:
    if options.dry_run:
        generate = ['--models', 'tiny', '--sequences', '16', '--outputs', '8', '--prompt', '12', '--roofline']
        generate += ['--rows', '8', '--questions', '4', '--runs', '1']
        train = ['--shape', 'toy', '--runs', '1', '--prompt-tokens', '10', '--completion-tokens', '8']
        questions = QUESTIONS[:2]
    else:
        generate = ['--device', 'cuda', '--shape', options.shape, '--runs', str(options.runs)]
        train = ['--device', 'cuda', '--shape', options.shape, '--runs', str(options.runs)]
        questions = QUESTIONS
    train += ['--weights', 'lora', '--ours-only', '--json']

    def vllm_is_here() -> bool:
        return importlib.util.find_spec('vllm') is not None

    def training(kind: str, count: int) -> Step:
        return Step(f'{kind}-{count}', f'training/{kind}.py', [*train, '--questions', str(count)])

    return [
        Step('sampling', 'generate.py', [*generate, '--engines', 'native', '--rollouts', '--json']),
        *(training('dpo', count) for count in questions),
        Step('sampling-adapter', 'generate.py', [*generate, '--engines', 'native', '--adapter', '--json']),
        *(training('ppo', count) for count in questions),
        # Last, since others may take long or run out of memory.
        Step('sampling-others', 'generate.py', [*generate, '--engines', 'native', 'transformers', '--json']),
        *(
            []
            if options.dry_run or not vllm_is_here()
            else [Step('sampling-vllm', 'generate.py', [*generate, '--engines', 'native', 'vllm', '--json'])]
        ),
    ]


def chosen(options: argparse.Namespace) -> list[Step]:
    every = steps(options)
    if not options.only:
        return every
    if unknown := set(options.only) - {step.name for step in every}:
        names = ', '.join(step.name for step in every)
        raise SystemExit(f'There is no step {", ".join(sorted(unknown))}; there are {names}.')
    for name in options.only:
        document_of(name, Path(options.out)).unlink(missing_ok=True)
    return [step for step in every if step.name in options.only]


def document_of(name: str, folder: Path) -> Path:
    return folder / f'{name}.json'


def kept(step: Step, folder: Path) -> Document | None:
    """What an earlier call with the same folder found, if it was asked the same and was not cut short."""
    try:
        document = json.loads(document_of(step.name, folder).read_text())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(document, dict) or document.get('arguments') != step.arguments:
        return None
    print(f'{step.name}: measured already, {document["taken_at"]}', file=sys.stderr, flush=True)
    return document


def take(step: Step, folder: Path, seconds: float) -> Document | None:
    command = [sys.executable, str(HERE / step.file), *step.arguments]
    print(f'{step.name}: {" ".join(command[1:])}', file=sys.stderr, flush=True)
    began = time.monotonic()
    with (folder / f'{step.name}.log').open('w') as log:
        try:
            done = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                timeout=seconds,
                env=os.environ | {'BENCH_VERBOSE': '1', 'PYTHONPATH': python_path()},
                check=False,
            )
        except subprocess.TimeoutExpired:
            return failure(step, folder, f'took longer than {seconds:.0f} s')
    if done.returncode != 0:
        return failure(step, folder, f'ended with status {done.returncode}')
    try:
        document = json.loads(done.stdout)
    except ValueError:
        return failure(step, folder, 'wrote no JSON')
    document |= {
        'arguments': step.arguments,
        'taken_at': datetime.now(UTC).isoformat(timespec='seconds'),
        'took_s': time.monotonic() - began,
    }
    document_of(step.name, folder).write_text(json.dumps(document, indent=2))
    return document


def python_path() -> str:
    return os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get('PYTHONPATH')]))


def failure(step: Step, folder: Path, what: str) -> None:
    print(f'{step.name}: {what}; see {folder / step.name}.log', file=sys.stderr, flush=True)


def targets(shape: str) -> list[Target]:
    def rate(document: Document) -> float | None:
        return document['results'][0]['tokens_per_s']

    def share(document: Document) -> float | None:
        return next(iter(document.get('roofline', {}).values()), {}).get('share')

    def rollouts(document: Document) -> float | None:
        return next(iter(document.get('rollouts', {}).values()), {}).get('total_s')

    def mfu(document: Document) -> float | None:
        return document['cases']['lora'].get('mfu')

    return [
        Target(f'{shape}, generated tokens/s', 'sampling', rate, 10_000),
        Target('the same, the goal', 'sampling', rate, 20_000),
        Target('the same with an adapter', 'sampling-adapter', rate, 10_000),
        Target('share of the measured roofline', 'sampling', share, 0),
        Target('500 x 8 rollouts, seconds from imports on', 'sampling', rollouts, 150, at_most=True),
        *(Target(f'LoRA DPO, MFU, {count} questions', f'dpo-{count}', mfu, 0.4) for count in QUESTIONS),
        *(Target(f'LoRA PPO, MFU, {count} questions', f'ppo-{count}', mfu, 0) for count in QUESTIONS),
    ]


def row(target: Target, documents: dict[str, Document], verdicts: bool) -> Document:
    """Figures of a dry run have nothing to reach."""
    document = documents.get(target.step)
    value = None if document is None else target.find(document)
    reached = None
    if verdicts and value is not None and target.goal > 0:
        reached = value <= target.goal if target.at_most else value >= target.goal
    return {'what': target.what, 'step': target.step, 'found': value, 'goal': target.goal or None} | {
        'at_most': target.at_most,
        'reached': reached,
    }


def report(found: list[Document], failed: list[str], left_out: list[str], folder: Path) -> None:
    for each in found:
        value = 'not measured' if each['found'] is None else f'{each["found"]:,.3g}'
        goal = (
            '' if each['goal'] is None else f'{"at most" if each["at_most"] else "at least"} {each["goal"]:,}'
        )
        verdict = {None: '', True: 'reached', False: 'missed'}[each['reached']]
        print(f'{each["what"]:45} {value:>14}   {goal:20} {verdict}')
    if failed:
        print(f'failed: {", ".join(failed)}')
    if left_out:
        print(f'left out, time was up: {", ".join(left_out)}')
    print(f'documents and logs: {folder}')


if __name__ == '__main__':
    main()
