"""`down(silu(gate(x)) * up(x))`, keeping the outputs of gate and up alone for the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from transformers.activations import SiLUActivation
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.models.mistral.modeling_mistral import MistralMLP
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP
from transformers.models.qwen3.modeling_qwen3 import Qwen3MLP

from .projection import projection

KINDS = (LlamaMLP, MistralMLP, Qwen2MLP, Qwen3MLP)


def forward(mlp: Any, x: torch.Tensor) -> torch.Tensor:
    """In place of the stock forward, which it falls back to."""
    down = projection(mlp.down_proj) if type(mlp.act_fn) in (SiLUActivation, torch.nn.SiLU) else None
    if down is None or x.dtype != down.weight.dtype:
        return type(mlp).forward(mlp, x)
    gate, up = mlp.gate_proj(x), mlp.up_proj(x)
    return down(up, gate)
