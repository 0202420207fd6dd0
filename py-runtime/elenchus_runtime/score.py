"""Log-probabilities of given completions, in the order they were given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .errors import WorkerError
from .job import Job
from .layout import Layout
from .logprobs import target_logprobs
from .models import Base, release
from .rows import Row

PerTarget = npt.NDArray[np.float32]
"""What is said of the targets of one row, along the first axis."""


@torch.no_grad()
def score_rows(
    base: Base, model: Any, rows: Sequence[Row], temperature: float, budget: int, job: Job
) -> list[PerTarget]:
    """One array of target log-probabilities per row."""

    def evaluate(layout: Layout) -> torch.Tensor:
        return target_logprobs(model, base.plain_head, layout, temperature)

    return evaluate_rows(base, rows, evaluate, budget, job)


@torch.no_grad()
def evaluate_rows(
    base: Base, rows: Sequence[Row], evaluate: Callable[[Layout], torch.Tensor], budget: int, job: Job
) -> list[PerTarget]:
    """What `evaluate` says of each target (first axis), row by row.

    Halves the micro-batch when memory runs out.
    """
    scores: list[PerTarget] = [np.empty(0, dtype=np.float32)] * len(rows)
    waiting = base.micro_batches(rows, budget)[::-1]
    done = len(rows) - sum(map(len, waiting))
    while waiting:
        members = waiting.pop()
        try:
            values = evaluate(base.lay_out([rows[index] for index in members])).cpu().numpy()
        except torch.OutOfMemoryError as error:
            if len(members) == 1:
                raise WorkerError('out_of_memory', 'A single row does not fit into memory.') from error
            middle = len(members) // 2
            waiting += [members[middle:], members[:middle]]
            release()
            continue
        bounds = np.cumsum([rows[index].num_targets for index in members])[:-1]
        for index, part in zip(members, np.split(values, bounds), strict=True):
            scores[index] = part
        done += len(members)
        job.advance()
        job.progress(done, len(rows))
    return scores
