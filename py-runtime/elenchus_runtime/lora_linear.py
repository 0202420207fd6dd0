"""A linear layer with a plain LoRA adapter on it, as one node of the graph.

    y = x W^T + b + s (x A^T) B^T          (Hu et al. 2021, arXiv:2106.09685)

PEFT's forward makes the adapter's part in the size of the output, scales a copy of it and adds into another;
here it is added into the product where it lies, forward and backward. The base is frozen. The adapter's
weights are read when the layer is called, so whatever PEFT has made active is what answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from peft.tuners.lora.layer import Linear as LoraLayer


@dataclass(frozen=True)
class PlainLora:
    """`weight` `[out, in]` and `bias` `[out]` of the base, `down` `[r, in]`, `up` `[out, r]`."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    down: torch.Tensor
    up: torch.Tensor
    scale: float


def plain_lora(layer: LoraLayer) -> PlainLora | None:
    """What a layer computes with now; `None` if it is more than a frozen base and one plain adapter."""
    inner: Any = layer.base_layer
    if type(inner) is not torch.nn.Linear or type(inner.weight.data) is not torch.Tensor:
        return None
    if layer.merged or layer.disable_adapters or inner.weight.requires_grad:
        return None
    active = [name for name in layer.active_adapters if name in layer.lora_A]
    if len(active) != 1:
        return None
    (name,) = active
    if name in layer.lora_variant or layer.lora_bias[name]:
        return None
    dropout: Any = layer.lora_dropout[name]
    if dropout.training and getattr(dropout, 'p', 0.0) > 0:
        return None
    sides: Any = (layer.lora_A, layer.lora_B)
    down, up = (side[name].weight for side in sides)
    return PlainLora(inner.weight, inner.bias, down, up, float(layer.scaling[name]))


def forward(layer: LoraLayer, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """In place of PEFT's, which it falls back to."""
    parts = None if args or kwargs else plain_lora(layer)
    if parts is None or x.dtype != parts.weight.dtype:
        return LoraLayer.forward(layer, x, *args, **kwargs)
    answer: Any = _LoraLinear.apply(x, parts.weight, parts.bias, parts.down, parts.up, parts.scale)
    return answer


class _LoraLinear(torch.autograd.Function):
    """Fp32 adapters of half-precision bases are multiplied as the base is; their gradients are fp32."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        out = F.linear(x, weight, bias)
        inner = x.reshape(-1, x.shape[-1]) @ down.to(x.dtype).T
        out.view(-1, out.shape[-1]).addmm_(inner, up.to(x.dtype).T, alpha=scale)
        ctx.save_for_backward(x, inner, weight, down, up)
        ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, inner, weight, down, up = ctx.saved_tensors
        grad = grads[0].reshape(-1, weight.shape[0])
        slope = (grad @ up.to(grad.dtype)).mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.mm(grad, weight).addmm_(slope, down.to(grad.dtype)).view(x.shape)
        grad_down = (slope.T @ x.reshape(-1, x.shape[-1])).to(down.dtype)
        grad_up = (grad.T @ inner).mul_(ctx.scale).to(up.dtype)
        return grad_x, None, None, grad_down, grad_up, None
