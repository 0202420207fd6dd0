"""Continuous batching: every distinct prompt is read once, freed slots are refilled.

Knows ids, slots and sampling; knows nothing of texts, stops (a `Completion` says when it has ended),
requests or sockets, nor of how a decoder computes a step.

Slots in use have no gap: the last ones move into those that ended. With `deterministic`, prompts are read
one by one and the number of slots never changes, so the arithmetic of a sequence is the same whatever else
is being generated.

An accelerator is *lapped*: it is given the next step before the host has looked at the tokens of the last
one, which are on the device already. So the host's work costs no time, and a sequence that has ended runs
for one more step, whose token is thrown away. No result depends on it: random numbers belong to (seed,
position).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .completion import Completion
from .decoder import make_decoder, slot_count
from .device_copies import ToHost, to_device
from .errors import WorkerError
from .log import warn
from .models import Base, release
from .plan import Group, Plan, Sample
from .prefill import PREFILL_TOKENS, Reading, read_prompts, take_groups
from .sampling import draw, uniforms

ACCELERATOR_REFILL = 16
"""Share of free slots, one in this many, at which an accelerator reads prompts: a short pass is no faster."""

LAPPED = frozenset({'cuda'})
"""Kinds of device that work on while the host looks; the CPU is the host."""


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
    """Yields each sample's completion when it has ended. `tick(tokens)` is called after every unit of work.

    Out of memory, unfinished samples start over in half as many slots; their seeds give the same again.
    """
    if not plan.groups:
        return
    slots = slot_count(base, model, plan)
    sent: set[str] = set()
    while True:
        try:
            for completion in _Batch(base, model, plan, slots).run(tick):
                sent.add(completion.key)
                yield completion
            return
        except torch.OutOfMemoryError as error:
            if slots == 1 or plan.deterministic:
                raise WorkerError(
                    'out_of_memory',
                    f'Sampling does not fit into memory with {slots} sequence(s) at once: {error}',
                    hint='Use fewer --max-new-tokens, or shorter prompts.',
                ) from error
        # Only here: the traceback kept the caches alive.
        release()
        slots //= 2
        warn(f'out of memory; sampling goes on with {slots} sequence(s) at once')
        ended = [
            sample.completion
            for group in plan.groups
            for sample in group.samples
            if sample.completion.finish_reason is not None and sample.completion.key not in sent
        ]
        plan = replace(plan, groups=_unfinished(plan.groups))
        tick(-sum(len(sample.completion.ids) for group in plan.groups for sample in group.samples))
        for group in plan.groups:
            for sample in group.samples:
                sample.completion.restart()
        yield from ended
        if not plan.groups:
            return


def _unfinished(groups: list[Group]) -> list[Group]:
    left = [
        Group(group.prompt, [each for each in group.samples if each.completion.finish_reason is None])
        for group in groups
    ]
    return [group for group in left if group.samples]


@dataclass(frozen=True)
class _Drawn:
    """Tokens that have been drawn; `of` names whose each is, `None` where a slot is empty."""

    of: list[Completion | None]
    numbers: ToHost
    """Ids and log-probabilities, fp64 `[2, tokens]`: ids are exact in it, and it is one transfer."""


class _Batch:
    """The slots, what is in them, and what still waits."""

    def __init__(self, base: Base, model: Any, plan: Plan, slots: int) -> None:
        self._base = base
        self._model = model
        self._plan = plan
        self._lapped = base.device.type in LAPPED and not plan.deterministic
        self._waiting = deque(plan.groups)
        self._started: deque[Reading] = deque()
        self._prefill_tokens = PREFILL_TOKENS
        self._decoder = make_decoder(base, model, plan, slots)
        self._held: list[Completion | None] = [None] * slots
        self._unseen: list[_Drawn] = []
        """What the host has not looked at yet."""
        self._refill_at = max(1, slots // ACCELERATOR_REFILL) if self._lapped else 1
        longest = max(sample.completion.max_tokens for group in plan.groups for sample in group.samples)
        self._written = torch.zeros(slots, dtype=torch.int64, device=base.device)
        self._uniforms = torch.zeros(slots, longest, dtype=torch.float64, device=base.device)

    def run(self, tick: Callable[[int], None]) -> Iterator[Completion]:
        while True:
            yield from self._refill(tick)
            self._close_gaps()
            used = len(self._held) - self._held.count(None)
            if not used:
                return
            if self._plan.deterministic:
                used = len(self._held)
            logits = self._decoder.step(used)
            if self._lapped:
                # At what was drawn before this step, which the device now works on.
                ended = self._look(tick)
                self._draw(logits)
            else:
                self._draw(logits)
                ended = self._look(tick)
            self._leave_slots(ended)
            yield from ended

    # Starting

    def _refill(self, tick: Callable[[int], None]) -> Iterator[Completion]:
        """Puts waiting samples into free slots; yields what ends with its first token, unless lapped."""
        free = self._free_slots()
        if len(free) < self._refill_at:
            return
        while free and (self._started or self._waiting):
            if not self._started:
                self._started.extend(self._read(len(free)))
                tick(0)
            reading = self._started[0]
            count = min(len(free), len(reading.samples), self._decoder.room(reading))
            if not count:
                return
            samples = [reading.samples.popleft() for _ in range(count)]
            if not reading.samples:
                self._started.popleft()
            self._start(samples, reading, [free.pop() for _ in samples])
            if not self._lapped:
                ended = self._look(tick)
                self._leave_slots(ended)
                yield from ended
                if ended:
                    free = self._free_slots()

    def _free_slots(self) -> list[int]:
        """The first one last."""
        last = len(self._held) - 1
        return [slot for slot in range(last, -1, -1) if self._held[slot] is None]

    def _read(self, wanted: int) -> list[Reading]:
        """The next prompts; of those that do not fit into memory together, half as many at a time."""
        while True:
            groups = take_groups(self._waiting, wanted, self._plan.deterministic, self._prefill_tokens)
            try:
                return read_prompts(self._model, groups, self._base.device)
            except torch.OutOfMemoryError:
                if len(groups) == 1:
                    raise
                self._waiting.extendleft(reversed(groups))
                tokens = len(groups) * max(len(group.prompt) for group in groups)
                self._prefill_tokens = tokens // 2
            # Only here: the traceback kept the pass's tensors alive.
            release()
            warn(f'out of memory; prompts are read {self._prefill_tokens} tokens at a time')

    def _start(self, samples: list[Sample], reading: Reading, slots: list[int]) -> None:
        """Puts samples of a prompt into slots, each with its first token drawn."""
        device = self._base.device
        numbers = to_device(np.stack([self._numbers(sample) for sample in samples]), device)
        logits = reading.logits.expand(len(samples), -1)
        tokens, picked = draw(logits, self._plan.temperature, self._plan.top_p, numbers[:, 0])
        self._decoder.start(slots, reading, tokens)
        where = to_device(slots, device)
        self._written[where] = 1
        self._uniforms[where] = numbers
        for slot, sample in zip(slots, samples, strict=True):
            self._held[slot] = sample.completion
        self._hand_over([sample.completion for sample in samples], tokens, picked)

    def _numbers(self, sample: Sample) -> npt.NDArray[np.float64]:
        width = self._uniforms.shape[1]
        return np.zeros(width) if self._plan.temperature == 0 else uniforms(sample.seed, width)

    def _close_gaps(self) -> None:
        """Moves the last sequences into the slots that nobody took."""
        if self._plan.deterministic:
            return
        used = len(self._held) - self._held.count(None)
        targets = [slot for slot in range(used) if self._held[slot] is None]
        if not targets:
            return
        sources = [slot for slot in range(used, len(self._held)) if self._held[slot] is not None]
        self._decoder.move(sources, targets)
        source, target = (to_device(slots, self._base.device) for slots in (sources, targets))
        self._written[target] = self._written[source]
        self._uniforms[target] = self._uniforms[source]
        for old, new in zip(sources, targets, strict=True):
            self._held[new], self._held[old] = self._held[old], None

    # Decoding

    def _draw(self, logits: torch.Tensor) -> None:
        """One token for each of the first slots."""
        used = len(logits)
        # Empty slots may run along; theirs may point past the last number.
        column = self._written[:used].clamp(max=self._uniforms.shape[1] - 1)
        numbers = self._uniforms[:used].gather(1, column[:, None]).squeeze(1)
        tokens, picked = draw(logits, self._plan.temperature, self._plan.top_p, numbers)
        self._decoder.tokens[:used] = tokens
        self._written[:used] += 1
        self._hand_over(self._held[:used], tokens, picked)

    def _hand_over(self, of: list[Completion | None], tokens: torch.Tensor, picked: torch.Tensor) -> None:
        self._unseen.append(_Drawn(of, ToHost(torch.stack([tokens.double(), picked.double()]))))

    def _look(self, tick: Callable[[int], None]) -> list[Completion]:
        """Gives the completions their tokens; returns those that have ended."""
        ended: list[Completion] = []
        count = 0
        for drawn in self._unseen:
            ids, logprobs = drawn.numbers.wait().tolist()
            for completion, id, logprob in zip(drawn.of, ids, logprobs, strict=True):
                # One that ended a step ago has run once too often.
                if completion is None or completion.finish_reason is not None:
                    continue
                count += 1
                if completion.push(int(id), logprob):
                    ended.append(completion)
        self._unseen.clear()
        tick(count)
        return ended

    def _leave_slots(self, ended: list[Completion]) -> None:
        if not ended:
            return
        slots = [
            slot
            for slot, completion in enumerate(self._held)
            if completion is not None and completion.finish_reason is not None
        ]
        self._decoder.release(slots)
        for slot in slots:
            self._held[slot] = None
