"""Failures that the worker raises on purpose.

The codes are those of `src/errors.ts`; `tests/test_errors.py` holds this copy against that table.
Hints live there too: an error without one is given the hint of its code by the orchestrator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RETRYABLE: Mapping[str, bool] = {
    'io_failed': True,
    'file_missing': False,
    'record_invalid': False,
    'checkpoint_corrupt': False,
    'capability_missing': False,
    'environment': False,
    'protocol_violation': False,
    'handshake_refused': False,
    'deadline_exceeded': True,
    'cancelled': True,
    'bad_request': False,
    'unknown_op': False,
    'model_load_failed': False,
    'adapter_missing': False,
    'out_of_memory': False,
    'prompt_too_long': False,
    'guard_failed': False,
    'peer_failed': True,
    'non_finite': False,
    'step_out_of_order': False,
    'internal': False,
}
"""The codes a worker may send, each with whether the same call may succeed later unchanged."""


class WorkerError(Exception):
    """A typed failure: `code` is a key of `RETRYABLE`, the message says what, where and why."""

    def __init__(self, code: str, message: str, *, hint: str | None = None, **details: Any) -> None:
        super().__init__(message)
        assert code in RETRYABLE, code
        self.code = code
        self.hint = hint
        self.details: dict[str, Any] = details

    @property
    def retryable(self) -> bool:
        return RETRYABLE[self.code]
