"""Keys and values of the sequences being decoded, one slot each.

Allocated once; a finished sequence's slot is overwritten by the next one's prompt. Speaks the part of
transformers' cache interface that a decode step with its own mask and positions needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache

SPAN_STEP = 64
"""Attention reads a multiple of this many positions, so that its shape rarely changes."""

LayerStates = Sequence[tuple[torch.Tensor, torch.Tensor]]
"""Per layer, keys and values of one prompt, each `[heads, length, head_dim]`."""


class SlotCache(Cache):
    """Per layer keys and values `[slots, heads, capacity, head_dim]`; `lengths` int64 `[slots]` are valid."""

    def __init__(
        self, config: Any, slots: int, capacity: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        super().__init__(layers=[])
        shape = (slots, config.num_key_value_heads, round_up(capacity, SPAN_STEP), _head_dim(config))
        # Zeros, since garbage times a zero attention weight may still be NaN.
        self._keys = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.num_hidden_layers)]
        self._values = [
            torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.num_hidden_layers)
        ]
        self.lengths = torch.zeros(slots, dtype=torch.int64, device=device)
        self._slots = torch.arange(slots, device=device)
        self._positions = torch.arange(shape[2], device=device)
        self._span = SPAN_STEP

    def fill(self, slots: torch.Tensor, states: LayerStates) -> None:
        """Puts one prompt into each of the slots."""
        length = states[0][0].shape[1]
        for layer, (keys, values) in enumerate(states):
            self._keys[layer][slots, :, :length] = keys
            self._values[layer][slots, :, :length] = values
        self.lengths[slots] = length

    def keep(self, slots: torch.Tensor) -> None:
        """Drops all slots but these, which become 0, 1, ..."""
        for layer in range(len(self._keys)):
            self._keys[layer] = self._keys[layer][slots]
            self._values[layer] = self._values[layer][slots]
        self.lengths = self.lengths[slots]
        self._slots = self._slots[: len(slots)]

    def open_step(self, longest: int) -> torch.Tensor:
        """Prepares one decode step; the attention mask, bool `[slots, 1, 1, span]`.

        `longest` is the number of positions that the longest sequence has with the new token.
        """
        self._span = round_up(longest, SPAN_STEP)
        return (self._positions[: self._span] <= self.lengths[:, None])[:, None, None, :]

    def close_step(self) -> None:
        """Counts the token that every slot has just been given."""
        self.lengths += 1

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Called by the model's attention with the new token's `[slots, heads, 1, head_dim]`."""
        keys, values = self._keys[layer_idx], self._values[layer_idx]
        keys[self._slots, :, self.lengths] = key_states[:, :, 0]
        values[self._slots, :, self.lengths] = value_states[:, :, 0]
        return keys[:, :, : self._span], values[:, :, : self._span]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Positions and mask are always given to the model, so nobody derives them from this."""
        return self._span


def cache_bytes_per_token(config: Any, dtype: torch.dtype) -> int:
    """Memory that one position of one sequence takes over all layers."""
    return 2 * config.num_hidden_layers * config.num_key_value_heads * _head_dim(config) * dtype.itemsize


def _head_dim(config: Any) -> int:
    return getattr(config, 'head_dim', None) or config.hidden_size // config.num_attention_heads


def round_up(number: int, step: int) -> int:
    return -(-number // step) * step
