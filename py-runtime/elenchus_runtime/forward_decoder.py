"""The slots of the model's own forward: for models that the lean step does not know.

The same interface as `LeanDecoder`; slower by what the modules of transformers cost per step.
"""

from __future__ import annotations

from typing import Any

import torch

from .device_copies import to_device
from .prefill import Reading
from .slot_cache import SlotCache
from .wide_logits import head_logits


class ForwardDecoder:
    path = 'forward'

    def __init__(self, model: Any, slots: int, capacity: int, device: torch.device) -> None:
        self._model = model
        self._cache = SlotCache(model.config, slots, capacity, model.dtype, device)
        self._lengths = [0] * slots
        self.tokens = torch.zeros(slots, dtype=torch.int64, device=device)

    def room(self, reading: Reading) -> int:
        return len(self._lengths)

    def start(self, slots: list[int], reading: Reading, tokens: torch.Tensor) -> None:
        where = to_device(slots, self.tokens.device)
        self._cache.fill(where, reading.states)
        self.tokens[where] = tokens
        for slot in slots:
            self._lengths[slot] = reading.states.shape[3]

    def release(self, slots: list[int]) -> None:
        """Empties slots; they start over at 0, so that they never run out of positions."""
        self._cache.lengths[to_device(slots, self.tokens.device)] = 0
        for slot in slots:
            self._lengths[slot] = 0

    def move(self, sources: list[int], targets: list[int]) -> None:
        source, target = (to_device(slots, self.tokens.device) for slots in (sources, targets))
        self._cache.move(source, target, max(self._lengths[slot] for slot in sources))
        self.tokens[target] = self.tokens[source]
        for old, new in zip(sources, targets, strict=True):
            self._lengths[new] = self._lengths[old]
        self.release(sources)

    def step(self, used: int) -> torch.Tensor:
        """Logits, fp32 `[used, vocabulary]`, behind the tokens of the first `used` slots."""
        mask = self._cache.open_step(used, max(self._lengths[:used]) + 1)
        hidden = self._model.base_model(
            input_ids=self.tokens[:used, None],
            position_ids=self._cache.lengths[:used, None],
            attention_mask=mask,
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        self._cache.close_step()
        for slot in range(used):
            self._lengths[slot] += 1
        return head_logits(self._model.get_output_embeddings(), hidden[:, 0])
