"""Logits in fp32 from hidden states and an output matrix of any precision.

Half precision has 8 bits: a logit near 20 would be rounded by up to 0.06, and a log-probability with it. The
products are added up in fp32 anyway; here the sums stay as they are. Knows matrices; knows no models.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from .log import warn

SLICE_ELEMENTS = 1 << 22
"""Of a half-precision matrix that are in fp32 at once where a device cannot do it: 16 MiB."""


def wide_logits(hidden: torch.Tensor, weight: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """`hidden @ weight.T`, fp32 `[n, V]`, for `[n, H]` and `[V, H]` of one type. Not differentiable."""
    if out is None:
        out = torch.empty(len(hidden), len(weight), dtype=torch.float32, device=hidden.device)
    if hidden.dtype == torch.float32:
        return torch.mm(hidden, weight.T, out=out)
    if widens(hidden.device, hidden.dtype):
        return torch.mm(hidden, weight.T, out_dtype=torch.float32, out=out)
    wide = hidden.float()
    step = max(1, SLICE_ELEMENTS // weight.shape[1])
    for start in range(0, len(weight), step):
        out[:, start : start + step] = wide @ weight[start : start + step].float().T
    return out


def head_logits(head: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Of a model's output layer: what it is beyond a matrix, an adapter say, answers for itself."""
    if type(head) is torch.nn.Linear and head.bias is None:
        return wide_logits(hidden, head.weight)
    logits: torch.Tensor = head(hidden)
    return logits.float()


class _WideLogits(torch.autograd.Function):
    """Slopes are rounded to the precision of what they belong to, as those of any product."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(hidden, weight)
        return wide_logits(hidden, weight)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, weight = ctx.saved_tensors
        slope = grads[0].to(weight.dtype)
        by_hidden, by_weight = ctx.needs_input_grad
        return slope @ weight if by_hidden else None, slope.T @ hidden if by_weight else None


def differentiable_logits(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """`wide_logits` with gradients."""
    answer: Any = _WideLogits.apply(hidden, weight)
    return answer


@cache
def widens(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether products of half precision can be had in fp32: not on every device, nor in every torch."""
    one = torch.ones(1, 8, 8, dtype=dtype, device=device)
    out = torch.empty(8, 8, dtype=torch.float32, device=device)
    try:
        torch.bmm(one, one, out_dtype=torch.float32)
        torch.mm(one[0], one[0], out_dtype=torch.float32, out=out)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError) as error:
        if device.type != 'cpu':
            warn(f'half precision is copied to fp32 in every step: {error}')
        return False
    return True
