"""Which decoder runs a plan, and how large it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch

from .forward_decoder import ForwardDecoder
from .lean_decoder import WIDTH, LeanDecoder, positions_per_slot
from .lean_weights import read_weights, unknown
from .log import warn_once
from .models import Base
from .plan import Plan
from .prefill import Reading
from .slot_cache import SPAN_STEP, cache_bytes_per_token, round_up

CPU_SLOTS = 256
ACCELERATOR_SLOTS = 512
DETERMINISTIC_SLOTS = 64
"""All of them run in every step, empty or not."""

CPU_CACHE_BYTES = 4 << 30
ACCELERATOR_CACHE_SHARE = 0.6


class Decoder(Protocol):
    """Slots with a sequence in each; `step(n)` runs the first n of them by one token."""

    path: str
    """`lean` or `forward`: what computes a step."""
    tokens: torch.Tensor
    """The token that each slot's next step begins with."""

    def room(self, reading: Reading) -> int: ...
    def start(self, slots: list[int], reading: Reading, tokens: torch.Tensor) -> None: ...
    def release(self, slots: list[int]) -> None: ...
    def move(self, sources: list[int], targets: list[int]) -> None: ...
    def step(self, used: int) -> torch.Tensor: ...


def decoder_path(model: Any) -> str:
    return ForwardDecoder.path if unknown(model) else LeanDecoder.path


@dataclass(frozen=True)
class _Shape:
    """What a plan asks of a decoder: positions of a slot's `own`, and those of a shared `prompt`, or 0."""

    own: int
    prompt: int
    whole: int
    """Of the longest sequence with its prompt."""
    width: int
    """Samples that a prompt has at most, as far as they share one copy of it."""


def _shape(model: Any, plan: Plan) -> _Shape:
    output = max(sample.completion.max_tokens for group in plan.groups for sample in group.samples)
    whole = max(
        len(group.prompt) + max(sample.completion.max_tokens for sample in group.samples)
        for group in plan.groups
    )
    width = min(WIDTH, max(len(group.samples) for group in plan.groups))
    # Sharing pays from two samples of a prompt on; its shapes depend on who shares, so not deterministic.
    if unknown(model) is not None or plan.deterministic or _samples(plan) < 2 * len(plan.groups):
        return _Shape(own=whole, prompt=0, whole=whole, width=width)
    prompt = max(len(group.prompt) for group in plan.groups)
    return _Shape(own=output, prompt=prompt, whole=whole, width=width)


def _samples(plan: Plan) -> int:
    return sum(len(group.samples) for group in plan.groups)


def make_decoder(base: Base, model: Any, plan: Plan, slots: int) -> Decoder:
    shape = _shape(model, plan)
    reason = unknown(model)
    if reason is not None:
        warn_once(f'decoding with the forward of transformers, not the lean step: {reason}')
        return ForwardDecoder(model, slots, shape.whole, base.device)
    return LeanDecoder(
        read_weights(model),
        slots,
        shape.own,
        shape.prompt,
        shape.width,
        deterministic=plan.deterministic,
    )


def slot_count(base: Base, model: Any, plan: Plan) -> int:
    """As many as asked for or customary, within the samples there are and the memory for their caches."""
    on_cpu = base.device.type == 'cpu'
    if plan.deterministic:
        return plan.slots or DETERMINISTIC_SLOTS
    shape = _shape(model, plan)
    positions = (
        round_up(shape.whole, SPAN_STEP)
        if unknown(model)
        else positions_per_slot(shape.own, shape.prompt, shape.width, base.device)
    )
    per_slot = cache_bytes_per_token(model.config, base.dtype) * positions
    wanted = plan.slots or (CPU_SLOTS if on_cpu else ACCELERATOR_SLOTS)
    memory = CPU_CACHE_BYTES if on_cpu else int(_free_bytes(base.device) * ACCELERATOR_CACHE_SHARE)
    return max(1, min(wanted, _samples(plan), int(memory // per_slot)))


def _free_bytes(device: torch.device) -> int:
    """What the driver has left, and what torch holds without using it: after a training step, most of all."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
