"""From logits to tokens, many sequences at once.

Random numbers depend on (seed, position) alone, never on what else is in the batch. Knows logits; knows
nothing of models, texts or stops.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch


def uniforms(seed: int, count: int) -> npt.NDArray[np.float64]:
    """`count` numbers in [0, 1), one per position, from the counter-based generator Philox 4x64.

    Taken from the raw 64-bit stream, which NumPy guarantees not to change, as multiples of 2^-52: then
    `u * total` is below `total` for every positive double.
    """
    raw = np.random.Philox(key=seed).random_raw(count)
    return (raw >> np.uint64(12)).astype(np.float64) * 2.0**-52


def sampling_logprobs(logits: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """Log of the distribution that is sampled from, fp32 `[rows, vocabulary]`.

    Temperature first, then the smallest set of likeliest tokens whose probability reaches `top_p`,
    renormalised; the others are -inf. Greedy decoding (temperature 0) reports the model's own
    distribution, since its own choice has probability 1.
    """
    logprobs = (logits.float() / (temperature or 1.0)).log_softmax(dim=-1)
    if top_p >= 1 or temperature == 0:
        return logprobs
    ordered, order = logprobs.sort(dim=-1, descending=True)
    probabilities = ordered.exp()
    # A token stays while those before it have not reached top_p; the first always stays.
    dropped = probabilities.cumsum(dim=-1) - probabilities >= top_p
    dropped[:, 0] = False
    outside = torch.zeros_like(dropped).scatter_(1, order, dropped)
    return logprobs.masked_fill(outside, -torch.inf).log_softmax(dim=-1)


def choose(logprobs: torch.Tensor, temperature: float, uniform: torch.Tensor) -> torch.Tensor:
    """One token per row: the likeliest at temperature 0, else by inversion of the cumulative distribution.

    `uniform` fp64 `[rows]` in [0, 1). A token of probability zero is never chosen.
    """
    if temperature == 0:
        return logprobs.argmax(dim=-1)
    cumulative = logprobs.double().exp().cumsum(dim=-1)
    point = uniform[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, point, right=True).squeeze(1)
