"""Whether the weights that generate are still those that were last found right."""

from __future__ import annotations

from typing import Any

CHECKED_TOKENS = 16
"""Compared after a change: a forward pass or two."""


class Watch:
    """One per loaded base. `due` tokens are still to be compared before the weights are trusted."""

    def __init__(self) -> None:
        self._seen: tuple[Any, ...] | None = None
        self.due = 0

    def note(self, model: Any, policy: str | None) -> None:
        """Says whose completions come next."""
        state = (policy, *_versions(model))
        if state != self._seen:
            self.due = CHECKED_TOKENS
        self._seen = state

    def forget(self) -> None:
        """Whoever writes weights says so: a fused optimiser leaves no trace in `_version`, and new
        weights may lie where old ones lay.
        """
        self._seen = None


def _versions(model: Any) -> tuple[int, ...]:
    """Changes where a weight is replaced, or written by an operation that counts."""
    return tuple(number for weight in model.parameters() for number in (weight.data_ptr(), weight._version))
