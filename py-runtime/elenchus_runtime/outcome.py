"""What an algorithm hands to the optimiser: the loss whose gradient it left in the parameters."""

from __future__ import annotations

from dataclasses import dataclass

MAXIMA = frozenset({'reference_gap', 'ratio_deviation', 'ratio_max'})
"""Metrics of a whole batch that are the largest of its shards'."""
SUMS = frozenset({'targets'})
"""Metrics that are the sum of the shards'. All others are means by weight."""


@dataclass(frozen=True)
class Outcome:
    """`loss` of the whole batch, `tokens` that went through the model once, `truncated` rows, `metrics`.

    `weight` is what the loss was divided by: the targets or pairs that it is the mean of.
    """

    loss: float
    tokens: int
    truncated: int
    metrics: dict[str, float]
    weight: float


NOTHING = Outcome(loss=0.0, tokens=0, truncated=0, metrics={}, weight=0.0)
"""That of a shard without anything to train on."""
