"""What a request has done: tokens, and the floating-point operations that the model itself needs for them.

A multiply-add counts as two. Only products with the base's weights count. Attention between positions,
adapters, the optimiser and whatever is computed twice to save memory do not: a share of a peak that is made
of these numbers is never flattered. Knows sizes; knows no device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

WorkKind = Literal['generated', 'trained', 'scored']

FORWARD, ADAPTER, ALL_WEIGHTS = 1, 2, 3
"""Products per weight and token, 2 FLOP each: the forward pass; the slopes by the activations, which an
adapter needs too; the slopes by the weights, which a frozen base does not need. So 2N, 4N and 6N."""


@dataclass(frozen=True)
class Sizes:
    """Weights that every token is multiplied with (`trunk`), and that only a prediction is (`head`)."""

    trunk: int
    head: int

    def flop(self, tokens: int, predictions: int, passes: int = FORWARD) -> int:
        return 2 * passes * (self.trunk * tokens + self.head * predictions)


def sizes_of(model: Any, parameters: int) -> Sizes:
    """`parameters`: those of the base. Its input table is looked up, not multiplied with."""
    head = model.get_output_embeddings().weight
    table = model.get_input_embeddings().weight
    tied = head is table
    return Sizes(parameters - head.numel() - (0 if tied else table.numel()), head.numel())
