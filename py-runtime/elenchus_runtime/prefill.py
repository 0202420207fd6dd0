"""Prompts are read by the model's own forward, adapters included, several at once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import DynamicCache

from .plan import Group, Sample

PREFILL_TOKENS = 16_384
"""At most this many tokens, padding included, in one forward pass."""


@dataclass(eq=False)
class Reading:
    """A prompt that has been read, and its samples that have not been started yet."""

    samples: deque[Sample]
    states: torch.Tensor
    """Keys and values, `[2, layers, kv heads, length, head_dim]`."""
    logits: torch.Tensor
    """Of the first token, `[1, vocabulary]`."""


def take_groups(waiting: deque[Group], wanted: int, one_by_one: bool) -> list[Group]:
    """The next prompts, enough for `wanted` samples or one full forward pass."""
    groups: list[Group] = []
    width = 0
    while waiting and wanted > 0:
        width = max(width, len(waiting[0].prompt))
        if groups and (one_by_one or width * (len(groups) + 1) > PREFILL_TOKENS):
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
        input_ids=ids.to(device), past_key_values=cache, use_cache=True
    ).last_hidden_state
    head = model.get_output_embeddings()
    readings: list[Reading] = []
    for row, (group, length) in enumerate(zip(groups, lengths, strict=True)):
        keys = torch.stack([layer.keys[row, :, :length] for layer in cache.layers])
        values = torch.stack([layer.values[row, :, :length] for layer in cache.layers])
        logits = head(hidden[row : row + 1, length - 1])
        readings.append(Reading(deque(group.samples), torch.stack([keys, values]), logits))
    return readings
