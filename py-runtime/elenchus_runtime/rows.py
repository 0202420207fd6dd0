"""Token rows: a sequence of ids and which of them are targets; and their packing into micro-batches.

Everything that is scored or trained is a list of rows. Knows nothing of models. Lengths say what is
padding, never a token id: the padding token is often a real one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from .errors import WorkerError


@dataclass(frozen=True)
class Row:
    """`ids` int64 `[n]`; `targets` bool `[n]`: the positions whose log-probability counts.

    The first position is never a target: nothing predicts it.
    """

    ids: npt.NDArray[np.int64]
    targets: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.ids.shape != self.targets.shape or (len(self.targets) > 0 and self.targets[0]):
            raise WorkerError(
                'bad_request', 'A target mask must be as long as its ids, and the first id is no target.'
            )

    @property
    def num_targets(self) -> int:
        return int(self.targets.sum())


def completion_row(prompt: Sequence[int], completion: Sequence[int] | npt.NDArray[np.int32]) -> Row:
    """A prompt followed by a completion whose tokens are the targets."""
    if not len(prompt):
        raise WorkerError(
            'bad_request', 'A prompt without tokens cannot be scored: nothing predicts the first token.'
        )
    ids = np.concatenate([np.asarray(prompt, dtype=np.int64), np.asarray(completion, dtype=np.int64)])
    return Row(ids, np.arange(len(ids)) >= len(prompt))


def completion_rows(
    prompts: Sequence[Sequence[int]],
    rows: Sequence[int],
    completions: Sequence[npt.NDArray[np.int32]],
    vocab: int,
) -> list[Row]:
    """One row per completion; `rows[i]` is the index of its prompt.

    Raises `bad_request` for an index or id that does not exist.
    """
    if len(rows) != len(completions):
        raise WorkerError('bad_request', f'{len(rows)} prompt indices for {len(completions)} completions.')
    if any(not 0 <= index < len(prompts) for index in rows):
        raise WorkerError('bad_request', f'A prompt index is outside 0..{len(prompts) - 1}.')
    check_ids(completions, vocab)
    return [completion_row(prompts[index], ids) for index, ids in zip(rows, completions, strict=True)]


def check_ids(rows: Sequence[npt.NDArray[np.int32]], vocab: int) -> None:
    """Raises `bad_request` for an id that the model does not have."""
    if any(len(ids) and (ids.min() < 0 or ids.max() >= vocab) for ids in rows):
        raise WorkerError('bad_request', f'A token id is outside the vocabulary of {vocab}.')


def refuse_longer_than(rows: Sequence[Row], limit: int) -> None:
    """Raises `prompt_too_long`: what was sampled is trained whole or not at all."""
    longest = max((len(row.ids) for row in rows), default=0)
    if longest > limit:
        raise WorkerError(
            'prompt_too_long', f'A trajectory has {longest} tokens, the limit is {limit}.', tokens=longest
        )


def pack(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Micro-batches of row indices, longest rows first, each of at most `budget` padded tokens.

    A row that alone exceeds the budget has a micro-batch of its own.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    room = 0
    for index in order:
        if room == 0:
            batches.append([])
            room = max(1, budget // max(1, lengths[index]))
        batches[-1].append(index)
        room -= 1
    return batches


CPU_FORWARD_TOKENS = 4096
"""On the CPU a larger forward pass is no faster per token, and rows of unequal length waste more of it."""


def micro_batches(lengths: Sequence[int], budget: int, device: torch.device) -> list[list[int]]:
    """`pack` for forward passes on a device, within a budget of padded tokens each."""
    return pack(lengths, min(budget, CPU_FORWARD_TOKENS) if device.type == 'cpu' else budget)


@dataclass(frozen=True)
class Padded:
    """Rows side by side, padded on the right with id 0.

    `ids` int64 `[B, L]`, `targets` bool `[B, L]`, `owners` int64 `[sum of targets]`: the row of each
    target, in row-major order.
    """

    ids: torch.Tensor
    targets: torch.Tensor
    owners: torch.Tensor

    @property
    def num_rows(self) -> int:
        return self.ids.shape[0]


def pad(rows: Sequence[Row], device: torch.device) -> Padded:
    width = max(len(row.ids) for row in rows)
    ids = np.zeros((len(rows), width), dtype=np.int64)
    targets = np.zeros((len(rows), width), dtype=np.bool_)
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = row.ids
        targets[index, : len(row.ids)] = row.targets
    owners = np.repeat(np.arange(len(rows)), targets.sum(axis=1))
    return Padded(*(torch.from_numpy(array).to(device) for array in (ids, targets, owners)))
