"""A worker must never outlive its orchestrator, however that one ends.

Several independent ways, because each fails somewhere: the kernel's death signal (Linux), end-of-file on
the pipe that is our stdin (any system, but not under a launcher that takes stdin), watching who our
parent is (any launcher), and watching the orchestrator's own process (where it is on this machine). The
transport adds silence, for other machines. The first part runs before anything slow is imported.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

PARENT_GONE = 113
"""Exit status of a worker whose parent is gone."""

_PR_SET_PDEATHSIG = 1
_INTERVAL_S = 0.25


def leave_with_parent() -> None:
    """Installs the death signal and the watch on our parent."""
    faulthandler.enable()
    # `kill -USR1` writes every thread's stack to the log: where does a stalled worker hang?
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    # Ctrl-C reaches the whole terminal group; the orchestrator decides what it means for us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    die_with_parent()
    if os.getppid() != parent:
        os._exit(PARENT_GONE)
    _watch(lambda: os.getppid() == parent)


def die_with_parent() -> None:
    """Has the kernel kill this process when its parent ends; the setting survives `exec`."""
    if sys.platform == 'linux':
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def watch_death_pipe() -> None:
    """Leaves at the end of stdin; once the connection has been read, which may come that way too."""
    threading.Thread(target=_watch_stdin, name='death-pipe', daemon=True).start()


def leave_with_orchestrator(pid: int, process_space: str) -> None:
    """Leaves when the process `pid` is gone, which our parent may not notice, or be."""
    if process_space == own_process_space():
        _watch(lambda: _exists(pid))


def own_process_space() -> str:
    """Names where our process ids mean something: this boot of this machine, and the container in it."""
    try:
        with open('/proc/sys/kernel/random/boot_id') as file:
            return f'{file.read().strip()} {os.readlink("/proc/self/ns/pid")}'
    except OSError:
        return socket.gethostname()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _watch(fine: Callable[[], bool]) -> None:
    def run() -> None:
        while fine():
            time.sleep(_INTERVAL_S)
        os._exit(PARENT_GONE)

    if not fine():
        os._exit(PARENT_GONE)
    threading.Thread(target=run, name='parent-watch', daemon=True).start()


def _watch_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(PARENT_GONE)
