"""How rows lie in one forward pass, and which rows go into it together.

`pad` puts rows side by side. `share` reads what rows have in common before their first target only once:
one long sequence of contexts and branches, with attention inside each branch and its context alone. Both
give the same `Layout`, so whoever evaluates it need not know which. Knows rows; knows no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .branch_attention import Branches
from .device_copies import to_device
from .rows import Row

CPU_FORWARD_TOKENS = 4096
"""On the CPU a larger forward pass is no faster per token, and its attention is padded more."""


@dataclass(frozen=True)
class Layout:
    """Rows as a model is given them.

    `inputs`: what the trunk is called with. The rest is one entry per target, row after row, int64 `[n]`:
    `predictors` is the place, in the flattened hidden states, of the token before the target; `wanted` its
    id; `owners` the row it belongs to.
    """

    inputs: dict[str, Any]
    predictors: torch.Tensor
    wanted: torch.Tensor
    owners: torch.Tensor
    num_rows: int

    @property
    def num_tokens(self) -> int:
        """Tokens that the trunk reads."""
        return self.inputs['input_ids'].numel()


def pad(rows: Sequence[Row], device: torch.device) -> Layout:
    """Side by side, padded on the right with id 0.

    Causal attention alone keeps the padding out: no position looks at what comes after it.
    """
    # Nothing is predicted by a last token.
    width = max(1, max(len(row.ids) for row in rows) - 1)
    ids = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row.ids) - 1] = row.ids[:-1]
    predictors = [index * width + row.targets.nonzero()[0] - 1 for index, row in enumerate(rows)]
    return _layout(rows, predictors, {'input_ids': _tensor(ids, device)}, device)


def share(rows: Sequence[Row], device: torch.device) -> Layout:
    """One sequence: each distinct context once, and behind it the branches of the rows that have it."""
    pieces: list[npt.NDArray[np.int64]] = []
    positions: list[npt.NDArray[np.int64]] = []
    places: list[npt.NDArray[np.int64]] = [np.empty(0, dtype=np.int64)] * len(rows)
    total = 0

    def append(ids: npt.NDArray[np.int64], start: int) -> npt.NDArray[np.int64]:
        nonlocal total
        pieces.append(ids)
        positions.append(np.arange(start, start + len(ids)))
        total += len(ids)
        return np.arange(total - len(ids), total)

    for members in groups(rows):
        context = rows[members[0]].context
        shared = append(rows[members[0]].ids[:context], 0)
        for member in members:
            # Nothing is predicted by a last token.
            branch = append(rows[member].ids[context:-1], context)
            places[member] = np.concatenate([shared, branch])
    predictors = [place[row.targets.nonzero()[0] - 1] for place, row in zip(places, rows, strict=True)]
    inputs = {
        'input_ids': _tensor(np.concatenate(pieces)[None], device),
        'position_ids': _tensor(np.concatenate(positions)[None], device),
        # A mask of four dimensions is handed on as it is: no T x T mask is built. Nobody reads this one.
        'attention_mask': torch.zeros(1, 1, 1, 1, device=device),
        'branches': Branches.of(places, total, device),
    }
    return _layout(rows, predictors, inputs, device)


def groups(rows: Sequence[Row]) -> list[list[int]]:
    """Indices of rows whose contexts are equal, in the order in which the contexts appear."""
    found: dict[bytes, list[int]] = {}
    for index, row in enumerate(rows):
        found.setdefault(row.ids[: row.context].tobytes(), []).append(index)
    return list(found.values())


def _layout(
    rows: Sequence[Row],
    predictors: list[npt.NDArray[np.int64]],
    inputs: dict[str, Any],
    device: torch.device,
) -> Layout:
    wanted = np.concatenate([row.ids[row.targets] for row in rows])
    owners = np.repeat(np.arange(len(rows)), [row.num_targets for row in rows])
    flat = np.concatenate(predictors).astype(np.int64)
    return Layout(inputs, *(_tensor(array, device) for array in (flat, wanted, owners)), num_rows=len(rows))


def _tensor(array: npt.NDArray[Any], device: torch.device) -> torch.Tensor:
    return to_device(np.ascontiguousarray(array), device)


# Micro-batches


def forward_budget(budget: int, device: torch.device) -> int:
    """Tokens of one forward pass on a device, within a budget."""
    return min(budget, CPU_FORWARD_TOKENS) if device.type == 'cpu' else budget


def padded_batches(rows: Sequence[Row], budget: int) -> list[list[int]]:
    """Row indices, longest rows first, each batch of at most `budget` padded tokens.

    A row that alone exceeds the budget has a batch of its own.
    """
    lengths = [len(row.ids) for row in rows]
    batches: list[list[int]] = []
    room = 0
    for index in sorted(range(len(rows)), key=lambda index: (-lengths[index], index)):
        if room == 0:
            batches.append([])
            room = max(1, budget // max(1, lengths[index]))
        batches[-1].append(index)
        room -= 1
    return batches


def shared_batches(rows: Sequence[Row], budget: int) -> list[list[int]]:
    """Row indices, whole groups together, each batch of at most `budget` tokens read.

    A group that alone exceeds the budget is split, its context read again with every part; a row that
    alone exceeds it has a batch of its own. Groups with long rows come first, so that rows of one batch
    are of similar length.
    """
    parts = [part for members in groups(rows) for part in _within(rows, members, budget)]
    parts.sort(key=lambda part: (-max(len(rows[index].ids) for index in part), part[0]))
    batches: list[list[int]] = []
    room = 0
    for part in parts:
        cost = tokens_read(rows, [part])
        if not batches or cost > room:
            batches.append([])
            room = budget
        batches[-1] += part
        room -= cost
    return batches


def _within(rows: Sequence[Row], members: list[int], budget: int) -> Iterator[list[int]]:
    context = rows[members[0]].context
    part: list[int] = []
    room = 0
    for member in members:
        cost = max(0, len(rows[member].ids) - context - 1)
        if part and cost > room:
            yield part
            part = []
        if not part:
            room = budget - context
        part.append(member)
        room -= cost
    if part:
        yield part


def tokens_read(rows: Sequence[Row], batches: Sequence[Sequence[int]]) -> int:
    """Tokens that the trunk reads for these batches when contexts are shared."""
    total = 0
    for batch in batches:
        members = [rows[index] for index in batch]
        for group in groups(members):
            context = members[group[0]].context
            total += context + sum(max(0, len(members[index].ids) - context - 1) for index in group)
    return total
