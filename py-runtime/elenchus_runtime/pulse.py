"""What the compute loop is doing, for the socket thread to tell.

Alive and progressing are two signals: the socket answers pings whatever happens, and `beat` increases
only when the compute loop gets something done. Written by the compute thread, read by the socket
thread; each field is one assignment, so no lock is needed.
"""

from __future__ import annotations

import time
from typing import Any, Literal

Phase = Literal['import', 'idle', 'load', 'first_step', 'step']
"""`load` is all traffic of weights between disk and memory, in either direction."""


class Pulse:
    """Phase, its age, the request in hand, and the count of advances."""

    def __init__(self) -> None:
        self.phase: Phase = 'import'
        self.busy: str | None = None
        self.beat = 0
        self._since = time.monotonic()

    def enter(self, phase: Phase) -> None:
        """Begins a phase; each has a stall limit of its own in the orchestrator."""
        self.phase = phase
        self._since = time.monotonic()
        self.beat += 1

    def advance(self) -> None:
        """Something was finished: a decode step, a micro-batch, a file."""
        self.beat += 1

    def report(self) -> dict[str, Any]:
        return {
            'phase': self.phase,
            'phase_s': time.monotonic() - self._since,
            'busy': self.busy,
            'beat': self.beat,
        }
