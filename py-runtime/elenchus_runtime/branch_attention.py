"""Attention over contexts that are read once and shared by the branches behind them.

Everything else in a transformer treats tokens one by one, so a packed sequence may hold each context once.
Attention alone needs whole rows: queries, keys and values are spread out to one row per branch (its context
before it), attend causally, with the fastest kernel there is and no mask, and are packed again. The time of
attention is that of rows side by side; that of all the rest, and what is kept, is that of distinct tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.autograd.graph import saved_tensors_hooks
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from .device_copies import to_device


@dataclass(frozen=True)
class Branches:
    """`R` rows of up to `width` positions over `T` packed tokens; all int64.

    `spread` `[R * width]`: the packed token at each position of each row, 0 where a row has ended.
    `gather` `[T]`: one of the positions, row times width plus column, where each packed token stands.
    `again` `[M]`: the other positions of shared tokens, and `shared` `[M]` those tokens.
    """

    num_rows: int
    width: int
    spread: torch.Tensor
    gather: torch.Tensor
    again: torch.Tensor
    shared: torch.Tensor

    @classmethod
    def of(cls, places: Sequence[npt.NDArray[np.int64]], total: int, device: torch.device) -> Branches:
        """From the packed tokens of each row, in order. Together the rows have all `total` tokens."""
        width = max(len(place) for place in places)
        spread = np.zeros((len(places), width), dtype=np.int64)
        gather = np.full(total, -1, dtype=np.int64)
        again: list[npt.NDArray[np.int64]] = []
        shared: list[npt.NDArray[np.int64]] = []
        for row, place in enumerate(places):
            spread[row, : len(place)] = place
            here = row * width + np.arange(len(place))
            known = gather[place] >= 0
            again.append(here[known])
            shared.append(place[known])
            gather[place[~known]] = here[~known]
        arrays = (spread.ravel(), gather, np.concatenate(again), np.concatenate(shared))
        return cls(len(places), width, *(to_device(array, device) for array in arrays))


class _Spread(torch.autograd.Function):
    """`[T, ...]` to `[R * width, ...]`. Backward adds up the copies of a token, and skips the padding."""

    @staticmethod
    def forward(ctx: Any, packed: torch.Tensor, branches: Branches) -> torch.Tensor:
        ctx.branches = branches
        return packed.index_select(0, branches.spread)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        (grad,) = grads
        branches: Branches = ctx.branches
        packed = grad.index_select(0, branches.gather)
        return packed.index_add_(0, branches.shared, grad.index_select(0, branches.again)), None


class _Pack(torch.autograd.Function):
    """`[R * width, ...]` to `[T, ...]`: one position of each token. The others get no gradient."""

    @staticmethod
    def forward(ctx: Any, spread: torch.Tensor, branches: Branches) -> torch.Tensor:
        ctx.branches, ctx.length = branches, len(spread)
        return spread.index_select(0, branches.gather)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        (grad,) = grads
        spread = grad.new_zeros(ctx.length, *grad.shape[1:])
        return spread.index_copy_(0, ctx.branches.gather, grad), None


_keep_packed = False


@contextmanager
def kept_packed(wanted: bool) -> Iterator[None]:
    """Whether rows are spread out again in the backward pass instead of being kept for it.

    Not under gradient checkpointing, which keeps neither and would be made to keep the packed ones.
    """
    global _keep_packed
    before, _keep_packed = _keep_packed, wanted
    try:
        yield
    finally:
        _keep_packed = before


class _Packing:
    """What a kernel keeps for its backward pass: whatever is spread from packed tokens, as those."""

    def __init__(self, branches: Branches) -> None:
        self._branches = branches
        self._packed: dict[int, torch.Tensor] = {}
        self._kept: list[_Kept] = []

    def know(self, spread: torch.Tensor, packed: torch.Tensor) -> None:
        """`spread`, or a view of all of it, comes from `packed`, wherever it counts."""
        memory = spread.untyped_storage().data_ptr()
        self._packed[memory] = packed.detach()
        for kept in self._kept:
            kept.pack(memory, self._packed[memory])

    def keep(self, tensor: torch.Tensor) -> _Kept:
        kept = _Kept(tensor, self._branches)
        memory = tensor.untyped_storage().data_ptr()
        if memory in self._packed:
            kept.pack(memory, self._packed[memory])
        else:
            self._kept.append(kept)
        return kept


class _Kept:
    def __init__(self, tensor: torch.Tensor, branches: Branches) -> None:
        self._tensor: torch.Tensor | None = tensor
        self._packed: torch.Tensor | None = None
        self._branches = branches
        self._place = tensor.size(), tensor.stride(), tensor.storage_offset()

    def pack(self, memory: int, packed: torch.Tensor) -> None:
        if self._tensor is not None and self._tensor.untyped_storage().data_ptr() == memory:
            self._tensor, self._packed = None, packed

    def unpack(self) -> torch.Tensor:
        if self._tensor is not None:
            return self._tensor
        assert self._packed is not None
        return self._packed.index_select(0, self._branches.spread).as_strided(*self._place)


@dataclass
class Calls:
    count: int = 0


_counters: list[Calls] = []


@contextmanager
def counted_calls() -> Iterator[Calls]:
    """Counts attentions over branches, to find out whether a model uses them."""
    calls = Calls()
    _counters.append(calls)
    try:
        yield calls
    finally:
        _counters.remove(calls)


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    branches: Branches | None = None,
    **settings: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' `sdpa`, extended by one keyword: with `branches`, `[1, heads, T, head_dim]` is packed."""
    if branches is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **settings)

    packing = _Packing(branches)

    def rows(states: torch.Tensor) -> torch.Tensor:
        packed = states[0].transpose(0, 1)
        spread: Any = _Spread.apply(packed, branches)
        packing.know(spread, packed)
        return spread.unflatten(0, (branches.num_rows, branches.width)).transpose(1, 2)

    for calls in _counters:
        calls.count += 1
    settings['is_causal'] = True
    spread = rows(query), rows(key), rows(value)
    with saved_tensors_hooks(packing.keep, _Kept.unpack) if _keep_packed else nullcontext():
        output, _ = sdpa_attention_forward(module, *spread, None, **settings)
    packed: Any = _Pack.apply(output.flatten(0, 1), branches)
    # Elsewhere in the output there is no gradient, so its values do not count.
    packing.know(output, packed)
    return packed[None], None


# Under the name that every model has by default, so that masks and all other callers stay as they are.
AttentionInterface.register('sdpa', attend)
