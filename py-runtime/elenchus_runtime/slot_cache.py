"""Keys and values of the sequences being decoded, one slot each, for the model's own forward.

Allocated once; a finished sequence's slot is overwritten by the next one's prompt. Speaks the part of
transformers' cache interface that a decode step with its own mask and positions needs.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache

SPAN_STEP = 64
"""Attention reads a multiple of this many positions, so that its shape rarely changes."""


class SlotCache(Cache):
    """Keys and values `[layers, slots, heads, capacity, head_dim]`; `lengths` int64 `[slots]` are valid."""

    def __init__(
        self, config: Any, slots: int, capacity: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        super().__init__(layers=[])
        length = round_up(capacity, SPAN_STEP)
        shape = (2, config.num_hidden_layers, slots, config.num_key_value_heads, length, head_dim(config))
        # Zeros, since garbage times a zero attention weight may still be NaN.
        self._states = torch.zeros(shape, dtype=dtype, device=device)
        self.lengths = torch.zeros(slots, dtype=torch.int64, device=device)
        self._slots = torch.arange(slots, device=device)
        self._positions = torch.arange(length, device=device)
        self._used = slots
        self._span = SPAN_STEP

    def fill(self, slots: torch.Tensor, states: torch.Tensor) -> None:
        """Puts one prompt, `[2, layers, heads, length, head_dim]`, into each of the slots."""
        length = states.shape[3]
        self._states[:, :, slots, :, :length] = states[:, :, None]
        self.lengths[slots] = length

    def move(self, sources: torch.Tensor, targets: torch.Tensor, length: int) -> None:
        """`length`: positions of the longest of them."""
        self._states[:, :, targets, :, :length] = self._states[:, :, sources, :, :length]
        self.lengths[targets] = self.lengths[sources]

    def open_step(self, used: int, longest: int) -> torch.Tensor:
        """Prepares one decode step of the first `used` slots; its mask, bool `[used, 1, 1, span]`.

        `longest` is the number of positions that the longest sequence has with the new token.
        """
        self._used = used
        self._span = round_up(longest, SPAN_STEP)
        return (self._positions[: self._span] <= self.lengths[:used, None])[:, None, None, :]

    def close_step(self) -> None:
        """Counts the token that every used slot has just been given."""
        self.lengths[: self._used] += 1

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Called by the model's attention with the new token's `[used, heads, 1, head_dim]`."""
        keys, values = self._states[:, layer_idx, : self._used]
        slots, lengths = self._slots[: self._used], self.lengths[: self._used]
        keys[slots, :, lengths] = key_states[:, :, 0]
        values[slots, :, lengths] = value_states[:, :, 0]
        return keys[:, :, : self._span], values[:, :, : self._span]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Positions and mask are always given to the model, so nobody derives them from this."""
        return self._span


def cache_bytes_per_token(config: Any, dtype: torch.dtype) -> int:
    """Memory that one position of one sequence takes over all layers."""
    return 2 * config.num_hidden_layers * config.num_key_value_heads * head_dim(config) * dtype.itemsize


def head_dim(config: Any) -> int:
    return getattr(config, 'head_dim', None) or config.hidden_size // config.num_attention_heads


def round_up(number: int, step: int) -> int:
    return -(-number // step) * step
