"""Prompts are read by the model's own forward, adapters included, several at once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import DynamicCache

from .device_copies import to_device
from .plan import Group, Sample
from .wide_logits import head_logits

PREFILL_TOKENS = 16_384
"""At most this many tokens in one forward pass, unless memory has none for them."""


@dataclass(eq=False)
class Reading:
    """A prompt that has been read, and its samples that have not been started yet."""

    samples: deque[Sample]
    states: torch.Tensor
    """Keys and values, `[2, layers, kv heads, length, head_dim]`."""
    logits: torch.Tensor
    """Of the first token, fp32 `[1, vocabulary]`."""


def take_groups(waiting: deque[Group], wanted: int, one_by_one: bool, tokens: int) -> list[Group]:
    """The next prompts, enough for `wanted` samples or one forward pass of `tokens`, padding included."""
    groups: list[Group] = []
    width = 0
    while waiting and wanted > 0:
        width = max(width, len(waiting[0].prompt))
        if groups and (one_by_one or width * (len(groups) + 1) > tokens):
            break
        groups.append(waiting.popleft())
        wanted -= len(groups[-1].samples)
    return groups


def read_prompts(model: Any, groups: list[Group], device: torch.device) -> list[Reading]:
    lengths = [len(group.prompt) for group in groups]
    # Padded on the right: causal attention never looks there.
    ids = torch.zeros(len(groups), max(lengths), dtype=torch.int64)
    for row, group in enumerate(groups):
        ids[row, : lengths[row]] = torch.tensor(group.prompt)
    cache: Any = DynamicCache()
    hidden = model.base_model(
        input_ids=to_device(ids, device), past_key_values=cache, use_cache=True
    ).last_hidden_state
    last = to_device([length - 1 for length in lengths], device)
    states = hidden[torch.arange(len(groups), device=device), last]
    logits = head_logits(model.get_output_embeddings(), states)
    # [2, layers, prompts, kv heads, longest, head_dim], written layer by layer: stacking would copy twice.
    example = cache.layers[0].keys
    states = example.new_empty(2, len(cache.layers), *example.shape)
    for place, layer in enumerate(cache.layers):
        states[0, place], states[1, place] = layer.keys, layer.values
    return [
        Reading(deque(group.samples), states[:, :, row, :, :length], logits[row : row + 1])
        for row, (group, length) in enumerate(zip(groups, lengths, strict=True))
    ]
