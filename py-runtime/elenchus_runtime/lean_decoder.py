"""The slots of the lean step: their caches, which prompt each attends to, and the shapes of a step.

Slots 0, 1, ... are in use without a gap unless `deterministic`. Buffers are allocated once and never move;
a step sees views of them, cut to what is in use: rounded up generously on accelerators, where every shape
costs a capture, exactly on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from .decode_graphs import StepGraphs
from .device_copies import to_device
from .lean_step import Inputs, Shared, lean_step
from .lean_weights import LeanWeights
from .prefill import Reading
from .slot_cache import round_up

WIDTH = 8
"""Slots that share one copy of a prompt; more samples of it get another copy."""

ROOM = 3
"""Samples of a prompt end one by one, and their row stays until the last has. With twice as many rows as full
ones, 4,000 sequences of geometric lengths took 1,250 steps, with three times 1,040: docs/benchmarks.md.
"""

PROMPT_STEP = 8
"""Multiple that the length of the table of prompts is rounded up to."""

MOVED_AT_ONCE = 16
"""Slots whose states are held twice while they move: 32 MiB each for 250 tokens of a 7B model."""


@dataclass(frozen=True)
class Grain:
    """Multiples that the shapes of a step are rounded up to."""

    slots: int
    prompts: int
    span: int
    all_prompt: bool
    """Whether every step covers the whole width and length of the table of prompts."""


CPU_GRAIN = Grain(slots=1, prompts=1, span=32, all_prompt=False)


def accelerator_grain(slots: int, prompts: int) -> Grain:
    """Few shapes, since each costs a capture, and little padding, since each step pays for it: see
    docs/benchmarks.md. Products work on tiles of 64 rows, so finer slots would save nothing.
    """
    rounded = round_up(max(1, slots // 8), 64)
    return Grain(slots=rounded, prompts=max(1, -(-prompts // ROOM)), span=128, all_prompt=True)


@dataclass(eq=False)
class _Row:
    """A row of the table of prompts, and the slots that attend to it."""

    reading: Reading
    members: list[int] = field(default_factory=list)


class LeanDecoder:
    """`prompt`: the longest prompt where prompts are shared, else 0. `own`: positions of a slot's own."""

    path = 'lean'

    def __init__(
        self,
        weights: LeanWeights,
        slots: int,
        own: int,
        prompt: int,
        width: int,
        grain: Grain | None = None,
        deterministic: bool = False,
    ) -> None:
        device, dtype = weights.embedding.device, weights.embedding.dtype
        self._weights = weights
        self._deterministic = deterministic
        self._width = min(width, WIDTH)
        self._rows_most = 0 if prompt == 0 else row_count(slots, self._width)
        if grain is None:
            grain = CPU_GRAIN if device.type == 'cpu' else accelerator_grain(slots, self._rows_most)
        self._grain = grain
        layers, heads, size = len(weights.layers), weights.kv_heads, weights.head_dim

        def table(rows: int, length: int) -> torch.Tensor:
            # Zeros, since garbage times a zero share may still be NaN.
            return torch.zeros(2, layers, rows, heads, length, size, dtype=dtype, device=device)

        self._own_states = table(slots, round_up(own, grain.span))
        self._prompt_states = table(self._rows_most, round_up(prompt, PROMPT_STEP))
        self.tokens = torch.zeros(slots, dtype=torch.int64, device=device)
        self._own = torch.zeros(slots, dtype=torch.int64, device=device)
        self._offset = torch.zeros(slots, dtype=torch.int64, device=device)
        """Of a slot: tokens of its own states, and positions before the first of them."""
        self._place = torch.zeros(slots, dtype=torch.int64, device=device)
        self._grid = torch.zeros(max(1, self._rows_most), self._width, dtype=torch.int64, device=device)
        self._lengths = np.zeros(slots, dtype=np.int64)
        self._row_of: list[_Row | None] = [None] * slots
        self._rows: list[_Row] = []
        self._regrid = False
        positions = torch.arange(round_up(own, grain.span) + prompt, device=device)
        cos, sin = weights.rotary(self._prompt_states.new_zeros(1), positions[None])
        half = cos.shape[-1] // 2
        self._cos = cos[0, :, None]
        self._sin = torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1)[:, None]
        self._positions = positions
        self._graphs = StepGraphs(device, slots)

    # What is in the slots

    def room(self, reading: Reading) -> int:
        """How many more samples of a prompt its table has rows for."""
        if not self._rows_most:
            return len(self._lengths)
        open_places = sum(self._width - len(row.members) for row in self._rows if row.reading is reading)
        return open_places + (self._rows_most - len(self._rows)) * self._width

    def start(self, slots: list[int], reading: Reading, tokens: torch.Tensor) -> None:
        """Puts a prompt and the first token behind it into each of the slots."""
        length = reading.states.shape[3]
        where = to_device(slots, self.tokens.device)
        self.tokens[where] = tokens
        if self._rows_most:
            self._own[where] = 0
            self._offset[where] = length
            self._lengths[slots] = 0
            self._join(slots, reading)
            self._regrid = True
        else:
            self._own_states[:, :, where, :, :length] = reading.states[:, :, None]
            self._own[where] = length
            self._lengths[slots] = length

    def _join(self, slots: list[int], reading: Reading) -> None:
        """Rows of the same prompt with places left come first."""
        rows = [row for row in self._rows if row.reading is reading and len(row.members) < self._width]
        for slot in slots:
            if not rows:
                rows.append(_Row(reading))
                self._prompt_states[:, :, len(self._rows), :, : reading.states.shape[3]] = reading.states
                self._rows.append(rows[0])
            rows[0].members.append(slot)
            self._row_of[slot] = rows[0]
            if len(rows[0].members) == self._width:
                rows.pop(0)

    def release(self, slots: list[int]) -> None:
        """Empties slots. Their own states start over at 0, so that they never run out of places."""
        where = to_device(slots, self.tokens.device)
        self._own[where] = 0
        self._offset[where] = 0
        self._lengths[slots] = 0
        for slot in slots:
            row, self._row_of[slot] = self._row_of[slot], None
            if row is not None:
                row.members.remove(slot)
                self._regrid = True
                if not row.members:
                    self._drop(self._rows.index(row))

    def _drop(self, place: int) -> None:
        """The last row of the table takes the place of an empty one."""
        last = len(self._rows) - 1
        if place != last:
            length = self._rows[last].reading.states.shape[3]
            moved = self._prompt_states[:, :, last, :, :length]
            self._prompt_states[:, :, place, :, :length] = moved
            self._rows[place] = self._rows[last]
        self._rows.pop()

    def move(self, sources: list[int], targets: list[int]) -> None:
        """Moves slots to empty ones and leaves the old places empty."""
        for start in range(0, len(sources), MOVED_AT_ONCE):
            some = sources[start : start + MOVED_AT_ONCE]
            length = int(self._lengths[some].max())
            source = to_device(some, self.tokens.device)
            target = to_device(targets[start : start + MOVED_AT_ONCE], self.tokens.device)
            self._own_states[:, :, target, :, :length] = self._own_states[:, :, source, :, :length]
            for buffer in (self.tokens, self._own, self._offset):
                buffer[target] = buffer[source]
        self._lengths[targets] = self._lengths[sources]
        for old, new in zip(sources, targets, strict=True):
            row = self._row_of[new] = self._row_of[old]
            self._row_of[old] = None
            if row is not None:
                row.members[row.members.index(old)] = new
        self._regrid = self._rows_most > 0
        self.release(sources)

    # The step

    def step(self, used: int) -> torch.Tensor:
        """Logits, fp32 `[used, vocabulary]`, behind the tokens of the first `used` slots."""
        grain = self._grain
        slots = min(round_up(used, grain.slots), len(self._lengths))
        span = round_up(int(self._lengths[:used].max()) + 1, grain.span)
        prompts = width = length = 0
        if self._rows_most:
            prompts = min(round_up(len(self._rows), grain.prompts), self._rows_most)
            width = self._width if grain.all_prompt else max(len(row.members) for row in self._rows)
            longest = max(row.reading.states.shape[3] for row in self._rows)
            length = self._prompt_states.shape[4] if grain.all_prompt else longest
            self._fill_grid(width)
        shape = (slots, span, prompts, width, length)
        logits = self._graphs(shape, lambda: self._run(*shape))
        self._own[:used] += 1
        self._lengths[:used] += 1
        return logits[:used]

    def _fill_grid(self, width: int) -> None:
        if not self._regrid:
            return
        grid = np.zeros(self._grid.shape, dtype=np.int64)
        place = np.zeros(len(self._lengths), dtype=np.int64)
        columns = np.arange(self._width)
        for index, row in enumerate(self._rows):
            count = len(row.members)
            grid[index, :count] = row.members
            place[row.members] = index * width + columns[:count]
        self._grid.copy_(to_device(grid, self._grid.device))
        self._place.copy_(to_device(place, self._place.device))
        self._regrid = False

    def _run(self, slots: int, span: int, prompts: int, width: int, length: int) -> torch.Tensor:
        own = self._own[:slots]
        offset = self._offset[:slots]
        visible = self._positions[:span] <= own[:, None]
        shared = None
        if prompts:
            before = self._positions[:length] < offset[:, None]
            visible = torch.cat([before, visible], dim=1)
            keys, values = self._prompt_states[:, :, :prompts, :, :length]
            shared = Shared(keys, values, self._grid[:prompts, :width], self._place[:slots])
        bias = torch.zeros(visible.shape, dtype=torch.float32, device=own.device)
        keys, values = self._own_states[:, :, :slots, :, :span]
        inputs = Inputs(
            tokens=self.tokens[:slots],
            own=own,
            cos=self._cos[own + offset],
            sin=self._sin[own + offset],
            bias=bias.masked_fill_(~visible, -torch.inf)[:, None, None],
            keys=keys,
            values=values,
            shared=shared,
        )
        return lean_step(self._weights, inputs, self._deterministic)


def positions_per_slot(own: int, prompt: int, width: int, device: torch.device) -> float:
    """Of the tables, as they are made: a slot's own positions, and its share of the prompts' rows."""
    span = (CPU_GRAIN if device.type == 'cpu' else accelerator_grain(1, 1)).span
    return round_up(own, span) + min(1, ROOM / width) * round_up(prompt, PROMPT_STEP)


def row_count(slots: int, width: int) -> int:
    """Rows of the table of prompts: what full rows would need, times `ROOM`."""
    return min(slots, ROOM * -(-slots // width))
