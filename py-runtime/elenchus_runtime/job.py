"""One request on its way through the compute loop.

Knows cancellation, the deadline, events and progress. Knows nothing of sockets: it is given a function
that takes an outgoing message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy.typing as npt

from .blobs import Blobs
from .errors import WorkerError
from .protocol import Kind
from .pulse import Phase, Pulse
from .work import WorkKind

Send = Callable[[Kind, str, Mapping[str, Any], Mapping[str, npt.NDArray[Any]] | None], None]

PROGRESS_INTERVAL_S = 0.2


class Job:
    """A request, as the operation that serves it sees it.

    `cancelled` is set by the socket thread; the compute loop asks with `check()` after every decode
    step and micro-batch.
    """

    def __init__(self, id: str, op: str, raw: msgspec.Raw, blobs: Blobs, send: Send, pulse: Pulse) -> None:
        self.id = id
        self.op = op
        self.raw = raw
        self.blobs = blobs
        self.pulse = pulse
        self.cancelled = False
        self.work: dict[str, Any] | None = None
        """What the result's header says was done."""
        self._send = send
        self._began: float | None = None
        self._deadline: float | None = None
        self._received = time.monotonic()
        self._next_progress = 0.0

    def begin(self) -> None:
        """The compute loop takes it up."""
        self._began = time.monotonic()
        self.pulse.busy = self.id

    @property
    def served_s(self) -> float | None:
        """Seconds since the compute loop took it up; `None` before."""
        return None if self._began is None else time.monotonic() - self._began

    def limit(self, deadline_s: float | None) -> None:
        """Sets the deadline, counted from the arrival of the request."""
        self._deadline = None if deadline_s is None else self._received + deadline_s

    def check(self) -> None:
        """Raises `cancelled` or `deadline_exceeded` if this request should end now."""
        if self.cancelled:
            raise WorkerError('cancelled', f'{self.op} was cancelled.')
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise WorkerError('deadline_exceeded', f'{self.op} passed its deadline.')

    def advance(self) -> None:
        """Marks progress and ends the request if it should end; once per unit of work."""
        self.pulse.advance()
        self.check()

    def did(self, kind: WorkKind, tokens: int, flop: int) -> None:
        """Says what the request has done, for the orchestrator's rates."""
        # As a float: FLOP of a long request pass 2^53.
        self.work = {'kind': kind, 'tokens': tokens, 'flop': float(flop)}

    def emit(self, body: Mapping[str, Any], blobs: Mapping[str, npt.NDArray[Any]] | None = None) -> None:
        """Sends an event that must arrive. Waits when the orchestrator does not keep up."""
        self._send('event', self.id, body, blobs)

    def enter(self, phase: Phase) -> None:
        """Begins a phase and tells it at once."""
        self.pulse.enter(phase)
        self._send('event', self.id, {'type': 'progress', 'phase': phase}, None)

    def progress(self, done: int, total: int, **facts: Any) -> None:
        """Tells how far the work is, a few times per second at most."""
        now = time.monotonic()
        if now < self._next_progress:
            return
        self._next_progress = now + PROGRESS_INTERVAL_S
        body = {'type': 'progress', 'phase': self.pulse.phase, 'done': done, 'total': total, **facts}
        self._send('event', self.id, body, None)
