"""Policy-gradient steps on given advantages and returns: PPO, and whatever else differs only in those.

Knows rows, the critic and gradients. Which advantages, which returns and when to stop is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from .blobs import Blobs, need_blob, unpack_ragged
from .device_copies import to_device
from .errors import WorkerError
from .models import Base
from .outcome import Outcome
from .policy_outputs import policy_outputs
from .ppo_loss import PpoTargets, ppo_loss
from .protocol import PpoBatch
from .rows import Row, completion_rows, refuse_longer_than
from .value_head import ValueHead

_REQUIRED = ('old_logprobs', 'advantages')
_CRITIC = ('returns', 'old_values')
_REFERENCE = 'reference_logprobs'

PerRow = list[npt.NDArray[np.float32]]


@dataclass(frozen=True)
class PpoRows:
    """Rows and, by name, one array per row with one number per target."""

    rows: list[Row]
    columns: dict[str, PerRow]


def read_rows(base: Base, batch: PpoBatch, blobs: Blobs, head: ValueHead | None) -> PpoRows:
    """Checks a batch. Raises `bad_request` or `prompt_too_long`."""
    completions = unpack_ragged('ids', blobs)
    rows = completion_rows(base.encode(batch.prompts, True), batch.rows, completions, base.vocab_size)
    refuse_longer_than(rows, batch.max_length)
    if not rows or min(row.num_targets for row in rows) == 0:
        raise WorkerError('bad_request', 'A trajectory without tokens cannot be trained on.')
    if (head is not None) != all(name in blobs for name in _CRITIC):
        raise WorkerError('bad_request', 'returns and old_values come with a session that has a value head.')
    if batch.value_only and head is None:
        raise WorkerError('bad_request', 'value_only needs a value head.')
    if (batch.kl_coef > 0) != (_REFERENCE in blobs):
        raise WorkerError('bad_request', 'reference_logprobs come with a kl_coef above 0, and it with them.')
    names = [*_REQUIRED, *(_CRITIC if head is not None else ()), *([_REFERENCE] if batch.kl_coef > 0 else [])]
    bounds = np.cumsum([row.num_targets for row in rows])
    columns: dict[str, PerRow] = {}
    for name in names:
        flat = need_blob(name, blobs)
        if flat.shape != (bounds[-1],) or not np.isfinite(flat).all():
            raise WorkerError('bad_request', f'{name} needs one finite number per completion token.')
        columns[name] = np.split(flat, bounds[:-1])
    return PpoRows(rows, columns)


def accumulate(
    base: Base,
    data: PpoRows,
    batch: PpoBatch,
    head: ValueHead | None,
    budget: int,
    before: Callable[[int], None],
) -> Outcome:
    """Adds the gradient of the mean loss over the completion tokens of the whole batch."""
    total = sum(row.num_targets for row in data.rows)
    # Read at the end of the step only: a device need not wait for the host after each micro-batch.
    losses: list[torch.Tensor] = []
    sums: list[torch.Tensor] = []
    largest: list[torch.Tensor] = []
    names: list[str] = []
    for index, members in enumerate(base.micro_batches(data.rows, budget)):
        before(index)
        layout = base.lay_out([data.rows[member] for member in members])
        now = policy_outputs(
            base.model,
            base.plain_head,
            layout,
            batch.temperature,
            head,
            freeze_trunk=batch.value_only,
            entropy_gradient=batch.entropy_coef > 0,
        )
        targets = _targets(data, members, base.device)
        per_token, metrics = ppo_loss(now, targets, batch)
        part = per_token.sum() / total
        part.backward()
        names = list(metrics)
        losses.append(part.detach())
        sums.append(torch.stack(list(metrics.values())).sum(1))
        ratio = metrics['mean_log_ratio'].exp()
        largest.append(torch.stack([(ratio - 1).abs().max(), ratio.max()]))
    means = torch.stack(sums).sum(0) / total
    parts = [torch.stack(losses).sum()[None], means, torch.stack(largest).amax(0)]
    loss, *values = torch.cat(parts).tolist()
    named = dict(zip([*names, 'ratio_deviation', 'ratio_max'], values, strict=True))
    tokens = sum(len(row.ids) for row in data.rows)
    return Outcome(loss, tokens, 0, named | {'targets': float(total)}, float(total))


def applies(batch: PpoBatch, metrics: Mapping[str, float]) -> bool:
    """Whether a batch with these metrics is to change the weights, or was to be measured only."""
    return batch.max_kl is None or metrics['approx_kl'] <= batch.max_kl


def _targets(data: PpoRows, members: list[int], device: torch.device) -> PpoTargets:
    old_logprobs, advantages = (_column(data.columns[name], members, device) for name in _REQUIRED)
    returns, old_values, reference = (
        None if (rows := data.columns.get(name)) is None else _column(rows, members, device)
        for name in (*_CRITIC, _REFERENCE)
    )
    return PpoTargets(old_logprobs, advantages, returns, old_values, reference)


def _column(rows: list[np.ndarray], members: list[int], device: torch.device) -> torch.Tensor:
    return to_device(np.concatenate([rows[member] for member in members]), device)
