"""What an algorithm hands to the optimiser: the loss whose gradient it left in the parameters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """`loss` of the whole batch, `tokens` that went through the model once, `truncated` rows, `metrics`.

    `apply` is false when the batch was to be measured only: the optimiser leaves the weights alone.
    """

    loss: float
    tokens: int
    truncated: int
    metrics: dict[str, float]
    apply: bool = True
