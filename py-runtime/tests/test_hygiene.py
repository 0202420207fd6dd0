"""The ways in which a worker leaves with its parent, each alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
from test_transport import wait_until_dead

# The one way that works under any launcher and system.
WATCHES_ITS_PARENT = """
import os, time
from elenchus_runtime.hygiene import _watch
parent = os.getppid()
_watch(lambda: os.getppid() == parent)
print(os.getpid(), flush=True)
time.sleep(600)
"""
# A long call into C that holds the interpreter's lock: none of our threads can look at anything.
HOLDS_THE_LOCK = """
import ctypes, os
from elenchus_runtime.hygiene import leave_with_parent
leave_with_parent()
print(os.getpid(), flush=True)
ctypes.PyDLL(None).sleep(600)
"""


@pytest.mark.parametrize(
    'program',
    [
        WATCHES_ITS_PARENT,
        pytest.param(
            HOLDS_THE_LOCK, marks=pytest.mark.skipif(sys.platform != 'linux', reason='a Linux signal')
        ),
    ],
    ids=['watch', 'signal'],
)
def test_the_program_leaves_when_its_parent_is_gone(program: str) -> None:
    spawn = f'subprocess.Popen([sys.executable, "-c", {program!r}])'
    start = f'import subprocess, sys, time; {spawn}; time.sleep(600)'
    parent = subprocess.Popen([sys.executable, '-c', start], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    assert wait_until_dead(pid, 5) < 1
