"""Attention heads that look a fixed number of tokens back, set by biases alone.

Rotary embeddings turn the pair of dimensions f and f + D/2 of position p by the angle p * theta_f. Take
constant vectors, as complex numbers per frequency,

    k_f = c                    q_f = c * exp(-i * t * theta_f)

Then the score of the query at m on the key at n is

    Re(q_f e^{i m theta_f} * conj(k_f e^{i n theta_f})) = c^2 * sum_f cos((m - n - t) * theta_f),

which depends on m - n only and is greatest where m - n = t. Its neighbours are lower by
c^2 * sum_f (1 - cos theta_f); c is chosen so that, after the 1/sqrt(D) of attention, that gap is
`sharpness`: a neighbour gets e^-sharpness of the target's weight. With a small rope_theta (about 100)
the sum is large even for 16 dimensions and no later lag comes near the peak again.

The key does not depend on t, so heads that share a key head (grouped queries) may look back differently.
Positions before t have no such key and attend to something near the start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

SHARPNESS = 6.0


def look_back_bias(head_dim: int, rope_theta: float, back: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Query and key bias, `[head_dim]` each in fp32, of a head that attends `back` tokens back."""
    exponents = torch.arange(head_dim // 2, dtype=torch.float64) * (-2.0 / head_dim)
    theta = rope_theta**exponents
    size = math.sqrt(SHARPNESS * math.sqrt(head_dim) / float((1 - theta.cos()).sum()))
    key = torch.cat([torch.full_like(theta, size), torch.zeros_like(theta)])
    query = size * torch.cat([(back * theta).cos(), -(back * theta).sin()])
    return query.float(), key.float()


@torch.no_grad()
def set_look_back_heads(model: Any, backs: Sequence[int]) -> None:
    """Head h of layer 0 of a Llama with attention biases looks `backs[h]` tokens back.

    The rows of the projections that add content to those queries and keys start at zero: with a large
    initializer_range they would drown the biases. They stay trainable.
    """
    attention = model.model.layers[0].self_attn
    head_dim: int = attention.head_dim
    theta: float = model.config.rope_parameters['rope_theta']
    for head, back in enumerate(backs):
        query, key = look_back_bias(head_dim, theta, back)
        for projection, index, bias in (
            (attention.q_proj, head, query),
            (attention.k_proj, head // attention.num_key_value_groups, key),
        ):
            projection.bias.view(-1, head_dim)[index] = bias
            projection.weight.view(projection.bias.numel() // head_dim, head_dim, -1)[index] = 0
