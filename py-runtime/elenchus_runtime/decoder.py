"""Which decoder runs a plan, and how large it is made."""

from __future__ import annotations

import sys
from typing import Any, Protocol

import torch

from .forward_decoder import ForwardDecoder
from .lean_decoder import WIDTH, LeanDecoder
from .lean_weights import read_weights, unknown
from .models import Base
from .plan import Plan
from .prefill import Reading
from .slot_cache import cache_bytes_per_token

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


def make_decoder(base: Base, model: Any, plan: Plan) -> tuple[Decoder, int]:
    """The decoder and its number of slots."""
    prompt = max(len(group.prompt) for group in plan.groups)
    output = max(sample.completion.max_tokens for group in plan.groups for sample in group.samples)
    whole = max(
        len(group.prompt) + max(sample.completion.max_tokens for sample in group.samples)
        for group in plan.groups
    )
    samples = sum(len(group.samples) for group in plan.groups)
    reason = unknown(model)
    # Sharing pays from two samples of a prompt on; its shapes depend on who shares, so not deterministic.
    width = min(WIDTH, max(len(group.samples) for group in plan.groups))
    shared = reason is None and not plan.deterministic and samples >= 2 * len(plan.groups)
    own = output if shared else whole
    per_token = cache_bytes_per_token(model.config, base.dtype)
    per_slot = per_token * (own + (2 * prompt / width if shared else 0))
    slots = _slot_count(base, plan, samples, per_slot)
    if reason is not None:
        _say_once(f'decoding with the forward of transformers, not the lean step: {reason}')
        return ForwardDecoder(model, slots, whole, base.device), slots
    decoder = LeanDecoder(
        read_weights(model),
        slots,
        own,
        prompt if shared else 0,
        width,
        deterministic=plan.deterministic,
    )
    return decoder, slots


def _slot_count(base: Base, plan: Plan, samples: int, per_slot: float) -> int:
    """As many as asked for or customary, within the samples there are and the memory for their caches."""
    on_cpu = base.device.type == 'cpu'
    if plan.deterministic:
        return plan.slots or DETERMINISTIC_SLOTS
    wanted = plan.slots or (CPU_SLOTS if on_cpu else ACCELERATOR_SLOTS)
    memory = CPU_CACHE_BYTES if on_cpu else int(_free_bytes(base.device) * ACCELERATOR_CACHE_SHARE)
    return max(1, min(wanted, samples, int(memory // per_slot)))


def _free_bytes(device: torch.device) -> int:
    """What the driver has left, and what torch holds without using it: after a training step, most of all."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


_said: set[str] = set()


def _say_once(message: str) -> None:
    """Into the worker's log."""
    if message not in _said:
        _said.add(message)
        print(f'warning: {message}', file=sys.stderr, flush=True)
