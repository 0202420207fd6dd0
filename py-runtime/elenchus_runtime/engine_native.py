"""Continuous batching: every distinct prompt is read once, every freed slot is refilled at once.

Knows ids, slots and sampling; knows nothing of texts, stops (a `Completion` says when it has ended),
requests or sockets, nor of how a decoder computes a step.

Slots in use have no gap: the last ones move into those that ended. With `deterministic`, prompts are read
one by one and the number of slots never changes, so the arithmetic of a sequence is the same whatever else
is being generated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .completion import Completion
from .decoder import make_decoder
from .models import Base
from .plan import Plan, Sample
from .prefill import Reading, read_prompts, take_groups
from .sampling import draw, uniforms

ACCELERATOR_REFILL = 16
"""Share of free slots, one in this many, at which an accelerator reads prompts: a short pass is no faster."""


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


class _Batch:
    """The slots, what is in them, and what still waits."""

    def __init__(self, base: Base, model: Any, plan: Plan) -> None:
        self._base = base
        self._model = model
        self._plan = plan
        self._waiting = deque(plan.groups)
        self._started: deque[Reading] = deque()
        self._decoder, slots = make_decoder(base, model, plan)
        self._held: list[Completion | None] = [None] * slots
        self._refill_at = 1 if base.device.type == 'cpu' else max(1, slots // ACCELERATOR_REFILL)
        longest = max(sample.completion.max_tokens for group in plan.groups for sample in group.samples)
        self._written = torch.zeros(slots, dtype=torch.int64, device=base.device)
        self._uniforms = torch.zeros(slots, longest, dtype=torch.float64, device=base.device)

    def run(self, tick: Callable[[int], None]) -> Iterator[Completion]:
        while True:
            yield from self._refill(tick)
            self._close_gaps()
            active = [slot for slot, completion in enumerate(self._held) if completion is not None]
            if not active:
                return
            ended = self._step(active)
            tick(len(active))
            yield from ended

    # Starting

    def _refill(self, tick: Callable[[int], None]) -> Iterator[Completion]:
        """Puts waiting samples into free slots; yields those that end with their first token."""
        free = [slot for slot, completion in enumerate(self._held) if completion is None]
        if len(free) < self._refill_at:
            return
        free.reverse()
        while free and (self._started or self._waiting):
            if not self._started:
                groups = take_groups(self._waiting, len(free), one_by_one=self._plan.deterministic)
                self._started.extend(read_prompts(self._model, groups, self._base.device))
                tick(0)
            reading = self._started[0]
            count = min(len(free), len(reading.samples), self._decoder.room(reading))
            if not count:
                return
            samples = [reading.samples.popleft() for _ in range(count)]
            if not reading.samples:
                self._started.popleft()
            yield from self._start(samples, reading, free)

    def _start(self, samples: list[Sample], reading: Reading, free: list[int]) -> Iterator[Completion]:
        """Draws the first tokens and takes slots from `free` for the samples that go on."""
        numbers = torch.from_numpy(np.stack([self._numbers(sample) for sample in samples])).to(
            self._base.device
        )
        logits = reading.logits.expand(len(samples), -1)
        tokens, picked = draw(logits, self._plan.temperature, self._plan.top_p, numbers[:, 0])
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
            slots.append(slot)
            going.append(place)
        if slots:
            self._decoder.start(slots, reading, tokens[going])
            self._written[slots] = 1
            self._uniforms[slots] = numbers[going]

    def _numbers(self, sample: Sample) -> npt.NDArray[np.float64]:
        width = self._uniforms.shape[1]
        return np.zeros(width) if self._plan.temperature == 0 else uniforms(sample.seed, width)

    def _close_gaps(self) -> None:
        """Moves the last sequences into the slots that nobody took."""
        if self._plan.deterministic:
            return
        used = sum(completion is not None for completion in self._held)
        targets = [slot for slot in range(used) if self._held[slot] is None]
        if not targets:
            return
        sources = [slot for slot in range(used, len(self._held)) if self._held[slot] is not None]
        self._decoder.move(sources, targets)
        self._written[targets] = self._written[sources]
        self._uniforms[targets] = self._uniforms[sources]
        for old, new in zip(sources, targets, strict=True):
            self._held[new], self._held[old] = self._held[old], None

    # Decoding

    def _step(self, active: list[int]) -> list[Completion]:
        """One token for every slot in use; the completions that ended with it."""
        used = len(self._held) if self._plan.deterministic else len(active)
        logits = self._decoder.step(used)
        # Empty slots may run along; theirs may point past the last number.
        column = self._written[:used].clamp(max=self._uniforms.shape[1] - 1)
        numbers = self._uniforms[:used].gather(1, column[:, None]).squeeze(1)
        tokens, picked = draw(logits, self._plan.temperature, self._plan.top_p, numbers)
        self._decoder.tokens[:used] = tokens
        self._written[:used] += 1
        # One transfer: ids are exact in fp64.
        ids, logprobs = torch.stack([tokens.double(), picked.double()]).tolist()
        ended: list[int] = []
        completions: list[Completion] = []
        for slot in active:
            completion = self._held[slot]
            assert completion is not None
            if completion.push(int(ids[slot]), logprobs[slot]):
                ended.append(slot)
                completions.append(completion)
                self._held[slot] = None
        if ended:
            self._decoder.release(ended)
        return completions
