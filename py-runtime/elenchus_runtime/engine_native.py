"""Continuous batching: every distinct prompt is read once, every freed slot is refilled at once.

Runs the model's own forward, adapters included, with a cache of its own. Knows ids, slots and sampling;
knows nothing of texts, stops (a `Completion` says when it has ended), requests or sockets.

With `deterministic`, prompts are read one by one and the number of slots never changes, so the arithmetic
of a sequence is the same whatever else is being generated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers.cache_utils import DynamicCache

from .completion import Completion
from .models import Base
from .plan import Group, Plan, Sample
from .sampling import choose, sampling_logprobs, uniforms
from .slot_cache import LayerStates, SlotCache, cache_bytes_per_token

CPU_SLOTS = 64
ACCELERATOR_SLOTS = 256
PREFILL_TOKENS = 16_384
CPU_CACHE_BYTES = 4 << 30
ACCELERATOR_CACHE_SHARE = 0.6


def unsupported(base: Base) -> str | None:
    """Why this engine cannot run a model, or `None`."""
    config = base.model.config
    if not base.plain_head:
        return 'its output layer does more than one matrix product'
    if any(kind != 'full_attention' for kind in getattr(config, 'layer_types', None) or []):
        return 'some of its layers have no full attention'
    if not hasattr(config, 'num_key_value_heads') or not hasattr(base.model.base_model, 'layers'):
        return f'{config.model_type} has another structure than Llama'
    return None


@torch.inference_mode()
def run(base: Base, model: Any, plan: Plan, tick: Callable[[int], None]) -> Iterator[Completion]:
    """Yields each sample's completion when it has ended. `tick(tokens)` is called after every decode step."""
    if plan.groups:
        yield from _Batch(base, model, plan).run(tick)


@dataclass
class _Reading:
    """A prompt that has been read, and its samples that have not been started yet."""

    samples: deque[Sample]
    states: LayerStates
    logprobs: torch.Tensor
    """Of the first token, `[1, vocabulary]`."""


class _Batch:
    """The slots, what is in them, and what still waits."""

    def __init__(self, base: Base, model: Any, plan: Plan) -> None:
        self._base = base
        self._model = model
        self._plan = plan
        self._waiting = deque(plan.groups)
        self._started: deque[_Reading] = deque()
        longest = max(_most_tokens(group) for group in plan.groups)
        capacity = max(len(group.prompt) + _most_tokens(group) for group in plan.groups)
        slots = _slot_count(base, plan, capacity)
        device = base.device
        self._cache = SlotCache(model.config, slots, capacity, base.dtype, device)
        self._held: list[Completion | None] = [None] * slots
        self._lengths = [0] * slots
        self._tokens = torch.zeros(slots, dtype=torch.int64, device=device)
        self._written = torch.zeros(slots, dtype=torch.int64, device=device)
        self._uniforms = torch.zeros(slots, longest, dtype=torch.float64, device=device)

    def run(self, tick: Callable[[int], None]) -> Iterator[Completion]:
        while True:
            yield from self._refill(tick)
            active = [slot for slot, completion in enumerate(self._held) if completion is not None]
            if not active:
                return
            if not self._plan.deterministic and len(active) * 2 <= len(self._held):
                active = self._shrink(active)
            ended = self._step(active)
            tick(len(active))
            yield from ended

    # Starting

    def _refill(self, tick: Callable[[int], None]) -> Iterator[Completion]:
        """Puts waiting samples into free slots; yields those that end with their first token."""
        free = [slot for slot, completion in enumerate(self._held) if completion is None]
        while free and (self._started or self._waiting):
            if not self._started:
                self._read_prompts(len(free))
                tick(0)
            reading = self._started[0]
            samples = [reading.samples.popleft() for _ in range(min(len(free), len(reading.samples)))]
            if not reading.samples:
                self._started.popleft()
            yield from self._start(samples, reading, free)

    def _read_prompts(self, wanted: int) -> None:
        """Reads the next prompts, enough for `wanted` samples or one full forward pass."""
        groups: list[Group] = []
        width = 0
        while self._waiting and wanted > 0:
            width = max(width, len(self._waiting[0].prompt))
            if groups and (self._plan.deterministic or width * (len(groups) + 1) > PREFILL_TOKENS):
                break
            groups.append(self._waiting.popleft())
            wanted -= len(groups[-1].samples)
        lengths = [len(group.prompt) for group in groups]
        # Padded on the right: causal attention never looks there.
        ids = torch.zeros(len(groups), max(lengths), dtype=torch.int64)
        for row, group in enumerate(groups):
            ids[row, : lengths[row]] = torch.tensor(group.prompt)
        cache: Any = DynamicCache()
        hidden = self._model.base_model(
            input_ids=ids.to(self._base.device), past_key_values=cache, use_cache=True
        ).last_hidden_state
        for row, (group, length) in enumerate(zip(groups, lengths, strict=True)):
            states = [(layer.keys[row, :, :length], layer.values[row, :, :length]) for layer in cache.layers]
            logprobs = self._next_logprobs(hidden[row : row + 1, length - 1])
            self._started.append(_Reading(deque(group.samples), states, logprobs))

    def _start(self, samples: list[Sample], reading: _Reading, free: list[int]) -> Iterator[Completion]:
        """Draws the first tokens and takes slots from `free` for the samples that go on."""
        numbers = torch.from_numpy(np.stack([self._numbers(sample) for sample in samples])).to(
            self._base.device
        )
        logprobs = reading.logprobs.expand(len(samples), -1)
        tokens = choose(logprobs, self._plan.temperature, numbers[:, 0])
        picked = logprobs.gather(1, tokens[:, None]).squeeze(1)
        going: list[int] = []
        slots: list[int] = []
        for place, (sample, id, logprob) in enumerate(
            zip(samples, tokens.tolist(), picked.tolist(), strict=True)
        ):
            if sample.completion.push(id, logprob):
                yield sample.completion
                continue
            slot = free.pop()
            self._held[slot] = sample.completion
            self._lengths[slot] = sample.completion.prompt_tokens
            slots.append(slot)
            going.append(place)
        if slots:
            where = torch.tensor(slots, device=self._base.device)
            self._cache.fill(where, reading.states)
            self._tokens[where] = tokens[going]
            self._written[where] = 1
            self._uniforms[where] = numbers[going]

    def _numbers(self, sample: Sample) -> npt.NDArray[np.float64]:
        width = self._uniforms.shape[1]
        return np.zeros(width) if self._plan.temperature == 0 else uniforms(sample.seed, width)

    # Decoding

    def _step(self, active: list[int]) -> list[Completion]:
        """One token for every slot; the completions that ended with it."""
        mask = self._cache.open_step(max(self._lengths[slot] for slot in active) + 1)
        hidden = self._model.base_model(
            input_ids=self._tokens[:, None],
            position_ids=self._cache.lengths[:, None],
            attention_mask=mask,
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        self._cache.close_step()
        logprobs = self._next_logprobs(hidden[:, 0])
        # Empty slots run along; theirs may point past the last number.
        column = self._written.clamp(max=self._uniforms.shape[1] - 1)
        numbers = self._uniforms.gather(1, column[:, None]).squeeze(1)
        self._tokens = choose(logprobs, self._plan.temperature, numbers)
        self._written += 1
        picked = logprobs.gather(1, self._tokens[:, None]).squeeze(1)
        ids, values = self._tokens.tolist(), picked.tolist()
        ended: list[Completion] = []
        for slot in active:
            completion = self._held[slot]
            assert completion is not None
            self._lengths[slot] += 1
            if completion.push(ids[slot], values[slot]):
                ended.append(completion)
                self._held[slot] = None
        if ended:
            # An empty slot starts over at 0, so that it never runs out of positions.
            self._cache.lengths[[slot for slot in active if self._held[slot] is None]] = 0
        return ended

    def _next_logprobs(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = self._model.get_output_embeddings()(hidden)
        return sampling_logprobs(logits, self._plan.temperature, self._plan.top_p)

    def _shrink(self, active: list[int]) -> list[int]:
        """Towards the end: drops the empty slots and their share of the work."""
        where = torch.tensor(active, device=self._base.device)
        self._cache.keep(where)
        self._tokens, self._written = self._tokens[where], self._written[where]
        self._uniforms = self._uniforms[where]
        self._held = [self._held[slot] for slot in active]
        self._lengths = [self._lengths[slot] for slot in active]
        return list(range(len(active)))


def _most_tokens(group: Group) -> int:
    return max(sample.completion.max_tokens for sample in group.samples)


def _slot_count(base: Base, plan: Plan, capacity: int) -> int:
    """As many as asked for or customary, within the samples there are and the memory for their caches."""
    on_cpu = base.device.type == 'cpu'
    wanted = plan.slots or (CPU_SLOTS if on_cpu else ACCELERATOR_SLOTS)
    if plan.deterministic:
        return wanted
    memory = (
        CPU_CACHE_BYTES if on_cpu else int(torch.cuda.mem_get_info(base.device)[0] * ACCELERATOR_CACHE_SHARE)
    )
    per_slot = capacity * cache_bytes_per_token(base.model.config, base.dtype)
    samples = sum(len(group.samples) for group in plan.groups)
    return max(1, min(wanted, samples, memory // per_slot))
