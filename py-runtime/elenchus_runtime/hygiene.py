"""A worker must never outlive its orchestrator, however that one ends.

Three independent ways, because each fails somewhere: the kernel's death signal (Linux), end-of-file on
the pipe that is our stdin (any system, but not under a launcher that takes stdin), and watching who our
parent is (any launcher). Runs before anything slow is imported.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time

PARENT_GONE = 113
"""Exit status of a worker whose parent is gone."""

_PR_SET_PDEATHSIG = 1


def leave_with_parent() -> None:
    """Installs the death signal and the watchers."""
    faulthandler.enable()
    # `kill -USR1` writes every thread's stack to the log: where does a stalled worker hang?
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    # Ctrl-C reaches the whole terminal group; the orchestrator decides what it means for us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    if sys.platform == 'linux':
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(PARENT_GONE)
    threading.Thread(target=_watch_parent, args=(parent,), name='parent-watch', daemon=True).start()
    if os.environ.get('ELENCHUS_DEATH_PIPE') == '1':
        threading.Thread(target=_watch_stdin, name='death-pipe', daemon=True).start()


def leave_if_orphaned(parent: int) -> None:
    """Exits if `parent`, which started us directly, died before the death signal was armed."""
    if os.environ.get('ELENCHUS_DEATH_PIPE') == '1' and os.getppid() != parent:
        os._exit(PARENT_GONE)


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.25)
    os._exit(PARENT_GONE)


def _watch_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(PARENT_GONE)
