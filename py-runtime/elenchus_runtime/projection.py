"""A linear layer as one node of the graph, with what lies directly on it and before it.

    y = x W^T + b + s (x A^T) B^T     an adapter on it: LoRA (Hu et al. 2021, arXiv:2106.09685)
    x = silu(gate) * up               a gate before it: SwiGLU (Shazeer 2020, arXiv:2002.05202)

The stock layers make the adapter's part in the size of the output, scale a copy of it and add into another;
here it is added where the product lies, forward and backward. They keep silu(gate) and x for the backward
pass; here both are computed again from gate and up. Weights are read when the layer is called, so whatever
adapter PEFT has made active is what answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from peft.tuners.lora.layer import Linear as LoraLayer


@dataclass(frozen=True)
class Projection:
    """`weight` `[out, in]`, `bias` `[out]`; `down` `[r, in]` and `up` `[out, r]` of the adapter, if any."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    down: torch.Tensor | None = None
    up: torch.Tensor | None = None
    scale: float = 1.0

    def __call__(self, x: torch.Tensor, gate: torch.Tensor | None = None) -> torch.Tensor:
        answer: Any = _Project.apply(x, gate, self.weight, self.bias, self.down, self.up, self.scale)
        return answer


def projection(layer: Any) -> Projection | None:
    """What a layer computes with now, or `None` if it is more than a matrix and at most one plain adapter."""
    inner: Any = layer.base_layer if type(layer) is LoraLayer else layer
    if type(inner) is not torch.nn.Linear or type(inner.weight.data) is not torch.Tensor:
        return None
    plain = Projection(inner.weight, inner.bias)
    if inner is layer:
        return plain
    if layer.merged:
        return None
    active = [name for name in layer.active_adapters if name in layer.lora_A]
    if layer.disable_adapters or not active:
        return plain
    if len(active) > 1 or active[0] in layer.lora_variant or layer.lora_bias[active[0]]:
        return None
    (name,) = active
    dropout = layer.lora_dropout[name]
    if dropout.training and getattr(dropout, 'p', 0.0) > 0:
        return None
    sides: Any = (layer.lora_A[name], layer.lora_B[name])
    down, up = (side.weight for side in sides)
    return Projection(inner.weight, inner.bias, down, up, float(layer.scaling[name]))


def adapted_linear(layer: LoraLayer, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """In place of PEFT's forward, which it falls back to."""
    project = None if args or kwargs else projection(layer)
    if project is None or project.down is None or x.dtype != project.weight.dtype:
        return LoraLayer.forward(layer, x, *args, **kwargs)
    return project(x)


class _Project(torch.autograd.Function):
    """Fp32 adapters of half-precision bases are multiplied as the base is; their gradients are fp32."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        gate: torch.Tensor | None,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor | None,
        up: torch.Tensor | None,
        scale: float,
    ) -> torch.Tensor:
        gated = x if gate is None else F.silu(gate).mul_(x)
        out = F.linear(gated, weight, bias)
        inner = None
        if down is not None and up is not None:
            inner = _flat(gated) @ down.to(x.dtype).T
            out.view(-1, len(weight)).addmm_(inner, up.to(x.dtype).T, alpha=scale)
        ctx.save_for_backward(x, gate, inner, weight, down, up)
        ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, gate, inner, weight, down, up = ctx.saved_tensors
        grad = _flat(grads[0])
        wanted = ctx.needs_input_grad
        opened = None if gate is None else F.silu(gate)
        gated = _flat(x if opened is None else opened * x)
        grad_weight = grad.T @ gated if wanted[2] else None
        grad_bias = grad.sum(0) if wanted[3] else None
        slope = grad_down = grad_up = None
        if inner is not None:
            slope = (grad @ up.to(grad.dtype)).mul_(ctx.scale)
            if wanted[4]:
                grad_down = (slope.T @ gated).to(down.dtype)
            if wanted[5]:
                grad_up = (grad.T @ inner).mul_(ctx.scale).to(up.dtype)
        del gated
        grad_x = grad_gate = None
        if wanted[0] or wanted[1]:
            grad_x = grad @ weight
            if slope is not None:
                grad_x.addmm_(slope, down.to(grad.dtype))
            grad_x = grad_x.view(x.shape)
            if opened is not None:
                grad_gate = grad_x * x
                torch.ops.aten.silu_backward(grad_gate, gate, grad_input=grad_gate)
                grad_x = grad_x.mul_(opened)
        return grad_x, grad_gate, grad_weight, grad_bias, grad_down, grad_up, None


def _flat(x: torch.Tensor) -> torch.Tensor:
    return x.reshape(-1, x.shape[-1])
