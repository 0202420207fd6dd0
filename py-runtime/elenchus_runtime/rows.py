"""Token rows: a sequence of ids and which of them are targets.

Everything that is scored or trained is a list of rows. Knows nothing of models, nor of how rows lie in a
forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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

    @property
    def context(self) -> int:
        """How many ids come before the first target: what rows can have in common."""
        return int(self.targets.argmax()) if self.targets.any() else len(self.ids)


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
