"""After every change of weights the engine's first completions are scored by the kernel that trains, forward
pass included.

A decoder that kept anything of the adapter before would report log-probabilities of another policy, and
training would go on silently with wrong ratios.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from . import training_forward
from .completion import Completion
from .errors import WorkerError
from .job import Job
from .logprobs import target_states
from .models import Base
from .plan import Plan
from .rows import completion_row
from .sampling import logprobs_of
from .score import score_rows
from .wide_logits import wide_logits

TOLERANCE = {torch.float32: 1e-3}
COARSE_TOLERANCE = 0.06
"""Of half precision, where the two sides round differently: by 0.018 nat in the mean over random models with
wide logits, 0.022 at most over 16 tokens. An adapter of rank 16 that is 30 steps of SFT at 2e-4 old is off by
0.2 in the mean and 0.14 in its nearest completion, 10 steps by 0.07 and 0.04: so what is a few steps old is
not seen, what is a stage or an iteration old is. All on a CPU (`tests/test_half_precision.py`); no GPU's
rounding has been measured.
"""
WORST = 10
"""How much further one token alone may be off: it would drown in the mean of a long completion. Rounding put
the worst of 1,400 tokens at 8 times the mean, in fp32 and in bf16.
"""


def check(base: Base, model: Any, plan: Plan, prompt: list[int], completion: Completion, job: Job) -> None:
    """Raises `guard_failed` if engine and kernel disagree by more than rounding, on average or on a token."""
    # The first token comes from the prompt's forward pass, not from a decode step.
    if base.watch.due <= 0 or len(completion.ids) < 2:
        return
    base.watch.due -= len(completion.ids)
    expected = _score(base, model, plan, prompt, completion.ids, job)
    gaps = np.abs(expected - np.asarray(completion.logprobs))
    gap, worst = float(gaps.mean()), float(gaps.max())
    tolerance = TOLERANCE.get(base.dtype, COARSE_TOLERANCE)
    # Written so that NaN fails.
    if not (gap <= tolerance and worst <= WORST * tolerance):
        base.watch.forget()
        raise WorkerError(
            'guard_failed',
            f'The generation engine and the training kernel disagree on log-probabilities by {gap:.2g} '
            f'on average (tolerance {tolerance:g}) and by {worst:.2g} on one token ({WORST * tolerance:g}): '
            'the engine does not run the weights that were asked for.',
            gap=gap,
            worst=worst,
            tolerance=tolerance,
        )


@torch.no_grad()
def _score(
    base: Base, model: Any, plan: Plan, prompt: list[int], ids: list[int], job: Job
) -> npt.NDArray[np.float32]:
    row = completion_row(prompt, ids)
    with training_forward.installed(model):
        if plan.temperature == 0 or plan.top_p >= 1:
            quiet: Any = _Quiet(job)
            return score_rows(base, model, [row], plan.temperature or 1.0, len(row.ids), quiet)[0]
        # The kernel knows no top-p.
        hidden = target_states(model, base.lay_out([row]))
    logits = wide_logits(hidden, model.get_output_embeddings().weight)
    tokens = torch.tensor(ids, device=base.device)
    return logprobs_of(tokens, logits, plan.temperature, plan.top_p).cpu().numpy()


class _Quiet:
    """The job, without the kernel's progress."""

    def __init__(self, job: Job) -> None:
        self.advance = job.advance

    def progress(self, done: int, total: int) -> None: ...
