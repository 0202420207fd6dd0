"""The training benches run through with a toy model, and say what they compare.

TRL's side of `bench:dpo` is left to the bench itself, which compares gradients every time; see also
`test_train_dpo.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parents[1] / 'bench' / 'training'
SIZES = '--shape toy --weights lora --runs 1 --questions 2 --trajectories 3 --correct 1 --batch-sizes 2'
OURS = 2 * 9 + 6 * 6
"""Two prompts once, six completions without their last token."""


def bench(script: str, *flags: str) -> dict[str, Any]:
    command = [sys.executable, str(BENCH / script), '--json', *SIZES.split(), *flags]
    command += ['--prompt-tokens', '9', '--completion-tokens', '7']
    run = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_policy_gradients_are_compared_with_the_textbook() -> None:
    document = bench('ppo.py')
    assert document['ratios'].keys() == {
        'trajectories_per_s.ours_over_textbook',
        'peak_memory.ours_over_textbook',
        'peak_memory_of_process.ours_over_textbook',
    }
    case = document['cases']['lora']
    assert case['gradient']['largest_entry'] > 0
    assert case['gradient']['relative'] < 1e-5
    assert case['sides']['ours']['tokens'] == OURS
    assert case['sides']['textbook']['tokens'] == 6 * 16


def test_our_side_can_be_measured_alone() -> None:
    document = bench('dpo.py', '--ours-only')
    assert 'ratios' not in document
    assert document['cases']['lora']['sides']['ours']['tokens'] == OURS
    assert document['command'].startswith('npm run bench:dpo -- --json --shape toy')
    assert document['date'].endswith('+00:00')
    assert document['versions'].keys() == {'torch', 'transformers', 'peft', 'trl'}


def test_what_is_read_twice_is_no_work() -> None:
    """DPO over several micro-batches has a pass without gradient before the one with it."""
    one = bench('dpo.py', '--ours-only')['cases']['lora']['sides']['ours']
    many = bench('dpo.py', '--ours-only', '--micro-batch-tokens', '20')['cases']['lora']['sides']['ours']
    assert many['tokens'] > 1.9 * one['tokens']
    assert many['flops'] == one['flops']
