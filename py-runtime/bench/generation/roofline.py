"""What the device could do: measured bandwidth and matrix rate, and the decode steps that they allow."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from elenchus_runtime.models import Base, count_parameters, plain_weights
from elenchus_runtime.slot_cache import cache_bytes_per_token

from .contenders import seconds
from .work import Work


@dataclass(frozen=True)
class Roofline:
    bytes_per_s: float
    flops_per_s: float

    def tokens_per_s(self, base: Base, work: Work, slots: int) -> float:
        """Upper bound of decoding: each step reads all weights and every sequence's states once, a shared
        prompt's once for its samples; and multiplies. Neither sampling nor reading prompts is counted.
        """
        slots = min(slots, len(work.lengths))
        weights = count_parameters(plain_weights(base.model))
        if not base.model.config.tie_word_embeddings:
            weights -= base.model.get_input_embeddings().weight.numel()
        positions = len(work.prompts[0]) / work.samples + sum(work.lengths) / len(work.lengths) / 2
        states = slots * positions * cache_bytes_per_token(base.model.config, base.dtype)
        step = max(
            (weights * base.dtype.itemsize + states) / self.bytes_per_s,
            2 * weights * slots / self.flops_per_s,
        )
        return slots / step


def measure(device: torch.device, dtype: torch.dtype) -> Roofline:
    """The best of several copies and of several square matrix products."""
    small = device.type == 'cpu'
    source = torch.zeros((1 << 26) if small else (1 << 31), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    side = 1024 if small else 8192
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    copying = _best(device, lambda: target.copy_(source))
    multiplying = _best(device, lambda: left @ right)
    return Roofline(2 * source.numel() / copying, 2 * side**3 / multiplying)


def _best(device: torch.device, work: Callable[[], object]) -> float:
    best = float('inf')
    for _ in range(10):
        started = seconds(device)
        work()
        best = min(best, seconds(device) - started)
    return max(best, time.get_clock_info('process_time').resolution)
