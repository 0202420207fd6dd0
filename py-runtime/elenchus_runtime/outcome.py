"""What an algorithm hands to the optimiser: the loss whose gradient it left in the parameters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """`loss` of the whole batch, `tokens` that went through the model once, `truncated` rows, `metrics`."""

    loss: float
    tokens: int
    truncated: int
    metrics: dict[str, float]
