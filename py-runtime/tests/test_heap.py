"""Freed memory is used again, not asked of the kernel anew."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Two arrays of 64 MiB, again and again, as the steps of training ask for them.
PROGRAM = """
import resource, sys
import numpy as np
from elenchus_runtime.heap import keep_freed_memory
print(keep_freed_memory() if sys.argv[1] == 'keep' else 'left alone')
def step():
    a = np.ones(8 << 20)
    return float((a + a)[-1])
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(how: str, **environment: str) -> tuple[str, int]:
    others = {name: value for name, value in os.environ.items() if not name.startswith('MALLOC_')}
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, how],
        env=others | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    said, faults = done.stdout.split('\n')[:2]
    return said, int(faults)


@pytest.mark.skipif(sys.platform != 'linux', reason='glibc')
def test_pages_of_a_step_are_there_for_the_next() -> None:
    said, kept = run('keep')
    if said == 'False':
        pytest.skip('this C library is not glibc')
    _, returned = run('leave')
    # 20 arrays of 16,384 pages each, or fewer and larger pages.
    assert kept < returned / 20


def test_settings_of_the_user_are_left_alone() -> None:
    assert run('keep', MALLOC_ARENA_MAX='2')[0] == 'False'
