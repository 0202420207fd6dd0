"""The watch on the parent's pid, alone: the one way that works under any launcher and system."""

from __future__ import annotations

import subprocess
import sys

from test_transport import wait_until_dead

WATCHER = """
import os
from elenchus_runtime.hygiene import _watch_parent
parent = os.getppid()
print(os.getpid(), flush=True)
_watch_parent(parent)
"""
PARENT = (
    f'import subprocess, sys, time; subprocess.Popen([sys.executable, "-c", {WATCHER!r}]); time.sleep(600)'
)


def test_the_watcher_leaves_when_its_parent_has_changed() -> None:
    parent = subprocess.Popen([sys.executable, '-c', PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    assert wait_until_dead(pid, 5) < 1
