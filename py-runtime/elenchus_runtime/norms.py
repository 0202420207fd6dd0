"""On a GPU, RMS norms as one kernel each way instead of the eight that the modules of transformers launch.

Each of those reads and writes every state, and with a base in half precision they keep a copy in fp32 for the
backward pass. On the CPU the kernel brings nothing (docs/benchmarks.md). Knows one formula; a module that
computes another one is tried out and left alone.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F


def speed_up_norms(model: Any, wanted: bool | None = None) -> int:
    """Gives every RMS norm of a model the kernel's forward, by default on a GPU only; returns how many."""
    if not (model.device.type == 'cuda' if wanted is None else wanted):
        return 0
    norms = [module for module in model.modules() if _is_rms_norm(module)]
    for module in norms:
        module.forward = partial(_forward, module)
    return len(norms)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """`x / sqrt(mean(x^2) + eps) * weight` over the last dimension, in fp32 inside (arXiv:1910.07467)."""
    # Autocast would have it return fp32, and all states behind it be twice as large.
    with torch.autocast(x.device.type, enabled=False):
        return F.rms_norm(x, (x.shape[-1],), weight, eps)


def _forward(module: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    return rms_norm(hidden_states, module.weight, module.variance_epsilon)


@torch.no_grad()
def _is_rms_norm(module: Any) -> bool:
    """Whether a module computes this formula: by its name, its parts, and one trial."""
    if not type(module).__name__.endswith('RMSNorm') or not hasattr(module, 'variance_epsilon'):
        return False
    weight = getattr(module, 'weight', None)
    if not isinstance(weight, torch.nn.Parameter) or weight.ndim != 1:
        return False
    steps = torch.arange(len(weight), device=weight.device, dtype=torch.float32)
    # Of two sizes, so that neither the mean nor the constant beside it goes unnoticed.
    sample = torch.stack([steps.cos(), steps.sin() * module.variance_epsilon**0.5]).to(weight.dtype)
    expected, found = module(sample).float(), _forward(module, sample).float()
    tolerance = 1e-5 if weight.dtype == torch.float32 else 2e-2
    return bool(torch.allclose(expected, found, rtol=tolerance, atol=tolerance))
