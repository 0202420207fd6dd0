"""From logits to tokens, many sequences at once.

Random numbers depend on (seed, position) alone, never on what else is in the batch. Knows logits; knows
nothing of models, texts or stops.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

BLOCK = 64
"""Tokens whose probabilities are summed before a token is looked for: most blocks are never looked into."""

NUCLEUS = 256
"""Tokens that are sorted before all are: top-p seldom needs more."""


def uniforms(seed: int, count: int) -> npt.NDArray[np.float64]:
    """`count` numbers in [0, 1), one per position, from the counter-based generator Philox 4x64.

    Taken from the raw 64-bit stream, which NumPy guarantees not to change, as multiples of 2^-52: then
    `u * total` is below `total` for every positive double.
    """
    raw = np.random.Philox(key=seed).random_raw(count)
    return (raw >> np.uint64(12)).astype(np.float64) * 2.0**-52


def draw(
    logits: torch.Tensor, temperature: float, top_p: float, uniform: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token per row of `logits` `[rows, vocabulary]`, and its log-probability in fp32.

    The distribution is that of temperature, then of the smallest set of likeliest tokens whose
    probability reaches `top_p`, renormalised. Temperature 0 takes the likeliest token and reports the
    model's own distribution, since its own choice has probability 1. `uniform` fp64 `[rows]` in [0, 1).
    Of logits that are not finite some token is taken, whose log-probability is NaN.
    """
    logits = _shaped(logits, temperature, top_p)
    top = logits.amax(dim=-1, keepdim=True)
    blocks = _blocks((logits - top).exp_())
    tokens = logits.argmax(dim=-1) if temperature == 0 else _invert(blocks, uniform)
    tokens.clamp_(max=logits.shape[1] - 1)
    # In fp64, so that a certain token has probability 1 and not a little more.
    total = blocks.sum(dim=(1, 2), dtype=torch.float64)
    picked = logits.gather(1, tokens[:, None]) - top
    return tokens, (picked.squeeze(1).double() - total.log()).float()


def logprobs_of(tokens: torch.Tensor, logits: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """What `draw` would report, had it drawn these tokens."""
    shaped = _shaped(logits, temperature, top_p)
    return shaped.log_softmax(dim=-1).gather(1, tokens[:, None]).squeeze(1)


def _shaped(logits: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """fp32 logits of the distribution that is sampled from."""
    logits = logits.float()
    if temperature == 0:
        return logits
    logits = logits if temperature == 1 else logits / temperature
    return logits if top_p >= 1 else _nucleus(logits, top_p)


def _blocks(weights: torch.Tensor) -> torch.Tensor:
    rows, width = weights.shape
    padded = F.pad(weights, (0, -width % BLOCK)) if width % BLOCK else weights
    return padded.view(rows, -1, BLOCK)


def _invert(blocks: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """Inversion of the cumulative distribution, in two strides. A token of weight zero is never chosen."""
    rows = torch.arange(len(blocks), device=blocks.device)
    sums = blocks.sum(dim=-1, dtype=torch.float64).cumsum(dim=-1)
    point = uniform[:, None] * sums[:, -1:]
    # Nothing lies above NaN; an index outside would end the process of a CUDA device.
    block = torch.searchsorted(sums, point, right=True).squeeze(1).clamp_(max=blocks.shape[1] - 1)
    before = torch.where(block > 0, sums[rows, (block - 1).clamp(min=0)], 0.0)
    inside = blocks[rows, block].double().cumsum(dim=-1)
    # The two sums may differ in the last bit; what is looked for must lie below the last one.
    last = torch.nextafter(inside[:, -1], torch.zeros_like(before))
    rest = torch.minimum(point.squeeze(1) - before, last)
    return block * BLOCK + torch.searchsorted(inside, rest[:, None], right=True).squeeze(1)


def _nucleus(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """Everything outside the smallest set of likeliest tokens that reaches `top_p` becomes -inf."""
    total = logits.logsumexp(dim=-1, keepdim=True)
    count = min(NUCLEUS, logits.shape[1])
    ordered, order = logits.topk(count, dim=-1)
    if count < logits.shape[1] and bool(((ordered - total).exp().sum(dim=-1) < top_p).any()):
        ordered, order = logits.sort(dim=-1, descending=True)
    probabilities = (ordered - total).exp()
    # A token stays while those before it have not reached top_p; the first always stays.
    kept = probabilities.cumsum(dim=-1) - probabilities < top_p
    kept[:, 0] = True
    inside = torch.full_like(logits, -torch.inf)
    return inside.scatter_(1, order, ordered.masked_fill(~kept, -torch.inf))
