"""After every change of weights the engine's first completions are scored by the kernel that trains.

A decoder that kept anything of the adapter before would report log-probabilities of another policy, and
training would go on silently with wrong ratios.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .completion import Completion
from .errors import WorkerError
from .job import Job
from .models import Base
from .plan import Plan
from .rows import completion_row
from .sampling import logprobs_of
from .score import score_rows

TOLERANCE = {torch.float32: 1e-3}
COARSE_TOLERANCE = 0.1
"""Of half precision, where the two sides round differently."""


def check(base: Base, model: Any, plan: Plan, prompt: list[int], completion: Completion, job: Job) -> None:
    """Raises `guard_failed` if engine and kernel disagree on average by more than rounding explains."""
    # The first token comes from the prompt's forward pass, not from a decode step.
    if base.watch.due <= 0 or len(completion.ids) < 2:
        return
    base.watch.due -= len(completion.ids)
    expected = _score(base, model, plan, prompt, completion.ids, job)
    gap = float(np.abs(expected - np.asarray(completion.logprobs)).mean())
    tolerance = TOLERANCE.get(base.dtype, COARSE_TOLERANCE)
    if not gap <= tolerance:
        base.watch.forget()
        raise WorkerError(
            'guard_failed',
            f'The generation engine and the training kernel disagree on log-probabilities by {gap:.2g} '
            f'on average (tolerance {tolerance:g}): the engine does not run the weights that were asked for.',
            gap=gap,
            tolerance=tolerance,
        )


@torch.no_grad()
def _score(
    base: Base, model: Any, plan: Plan, prompt: list[int], ids: list[int], job: Job
) -> npt.NDArray[np.float32]:
    if plan.temperature == 0 or plan.top_p >= 1:
        quiet: Any = _Quiet(job)
        row = completion_row(prompt, ids)
        return score_rows(base, model, [row], plan.temperature or 1.0, len(row.ids), quiet)[0]
    # The kernel knows no top-p.
    inputs = torch.tensor([[*prompt, *ids[:-1]]], device=base.device)
    logits = model(input_ids=inputs, use_cache=False).logits[0, len(prompt) - 1 :]
    tokens = torch.tensor(ids, device=base.device)
    return logprobs_of(tokens, logits, plan.temperature, plan.top_p).cpu().numpy()


class _Quiet:
    """The job, without the kernel's progress."""

    def __init__(self, job: Job) -> None:
        self.advance = job.advance

    def progress(self, done: int, total: int) -> None: ...
