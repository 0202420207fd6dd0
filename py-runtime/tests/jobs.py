"""A job without a socket: collects events, and can be told to cancel after some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from elenchus_runtime.job import Job
from elenchus_runtime.pulse import Pulse


class RecordingJob(Job):
    def __init__(self, blobs: Mapping[str, np.ndarray] | None = None) -> None:
        self.events: list[tuple[dict[str, Any], dict[str, np.ndarray]]] = []
        super().__init__('id', 'op', msgspec.Raw(b'\x80'), dict(blobs or {}), self._record, Pulse())

    def _record(
        self, kind: str, id: str, body: Mapping[str, Any], blobs: Mapping[str, np.ndarray] | None
    ) -> None:
        self.events.append((dict(body), dict(blobs or {})))

    def completions(self) -> dict[str, tuple[dict[str, Any], dict[str, np.ndarray]]]:
        return {body['key']: (body, blobs) for body, blobs in self.events if body['type'] == 'completion'}
