"""Preference steps over a graph: trajectories are nodes, pairs are edges.

Each distinct trajectory is evaluated once, however many pairs it is in. The loss needs only one number
per trajectory, the log-probability s_i of its completion, so

    dL/dtheta = sum_i (dL/ds_i) * (ds_i/dtheta)

and micro-batching is exact. dL/ds_i depends on the trajectories that i is paired with alone, so micro-batches
that hold both sides of all their pairs, as whole questions do, are done one after the other. Where a pair is
torn apart, because a question does not fit: one pass without gradient for all s_i, the coefficients dL/ds_i
in fp64, one pass backward with those; or one pass for everything, if that is within the budget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from .dpo_loss import PairSet, preference_loss
from .errors import WorkerError
from .logprobs import row_sums, target_logprobs
from .models import Base
from .outcome import Outcome
from .protocol import Blobs, DpoBatch, need_blob, unpack_ragged
from .rows import Row, completion_rows, refuse_longer_than


@dataclass(frozen=True)
class PairGraph:
    rows: list[Row]
    pairs: PairSet


def read_graph(base: Base, batch: DpoBatch, blobs: Blobs) -> PairGraph:
    """Checks a batch and puts it into tensors. Raises `bad_request` or `prompt_too_long`."""
    prompts = base.encode(batch.prompts, special_tokens=True)
    rows = completion_rows(prompts, batch.rows, unpack_ragged('ids', blobs), base.vocab_size)
    refuse_longer_than(rows, batch.max_length)
    reference = need_blob('reference_sums', blobs)
    if not batch.pairs:
        raise WorkerError('bad_request', 'A preference batch needs at least one pair.')
    if reference.shape != (len(rows),) or not np.isfinite(reference).all():
        raise WorkerError('bad_request', 'reference_sums needs one finite number per trajectory.')
    pairs = torch.tensor(batch.pairs, dtype=torch.int64)
    if pairs.min() < 0 or pairs.max() >= len(rows) or (pairs[:, 0] == pairs[:, 1]).any():
        raise WorkerError('bad_request', f'A pair must name two different trajectories of {len(rows)}.')
    if batch.weights is not None and len(batch.weights) != len(batch.pairs):
        raise WorkerError('bad_request', 'weights needs one number per pair.')
    if min(row.num_targets for row in rows) == 0:
        raise WorkerError('bad_request', 'A trajectory without tokens cannot be trained on.')
    if not 0 <= batch.label_smoothing < 0.5 or batch.beta <= 0:
        raise WorkerError('bad_request', 'beta must be positive and label_smoothing in [0, 0.5).')
    return PairGraph(
        rows,
        PairSet(
            chosen=pairs[:, 0],
            rejected=pairs[:, 1],
            weights=torch.tensor(batch.weights or [1.0] * len(pairs), dtype=torch.float64),
            reference=torch.from_numpy(reference.astype(np.float64)),
            lengths=torch.tensor([row.num_targets for row in rows], dtype=torch.float64),
        ),
    )


def accumulate(
    base: Base, graph: PairGraph, batch: DpoBatch, budget: int, before: Callable[[int], None]
) -> Outcome:
    """Adds the gradient of the mean loss over pairs to the parameters.

    `before(k)` runs before micro-batch k, in both passes: it sets the same dropout for both.
    """
    batches = base.micro_batches(graph.rows, budget)
    layouts = [base.lay_out([graph.rows[member] for member in members]) for members in batches]
    sums = torch.zeros(len(graph.rows), dtype=torch.float64)

    def evaluate(index: int) -> torch.Tensor:
        before(index)
        layout = layouts[index]
        part = row_sums(target_logprobs(base.model, base.plain_head, layout), layout)
        sums[batches[index]] = part.detach().cpu()
        return part

    def backward(index: int, part: torch.Tensor, slope: torch.Tensor) -> None:
        part.backward(slope[batches[index]].to(part.device))

    if _closed(batches, graph.pairs):
        for index in range(len(batches)):
            part = evaluate(index)
            # What the sums of later micro-batches will be does not matter to this one's slope.
            backward(index, part, _coefficients(sums, graph.pairs, batch)[2])
        loss, metrics, _ = _coefficients(sums, graph.pairs, batch)
    elif sum(layout.num_tokens for layout in layouts) <= budget:
        parts = [evaluate(index) for index in range(len(batches))]
        loss, metrics, slope = _coefficients(sums, graph.pairs, batch)
        for index, part in enumerate(parts):
            backward(index, part, slope)
    else:
        with torch.no_grad():
            for index in range(len(batches)):
                evaluate(index)
        loss, metrics, slope = _coefficients(sums, graph.pairs, batch)
        for index in range(len(batches)):
            backward(index, evaluate(index), slope)
    tokens = sum(len(row.ids) for row in graph.rows)
    return Outcome(loss, tokens, 0, metrics, float(len(batch.pairs)))


def _closed(batches: list[list[int]], pairs: PairSet) -> bool:
    """Whether every pair has both its sides in one micro-batch."""
    places = torch.empty(sum(map(len, batches)), dtype=torch.int64)
    for index, members in enumerate(batches):
        places[members] = index
    return bool((places[pairs.chosen] == places[pairs.rejected]).all())


def _coefficients(
    sums: torch.Tensor, pairs: PairSet, batch: DpoBatch
) -> tuple[float, dict[str, float], torch.Tensor]:
    """The loss, its metrics, and its slope by each trajectory's log-probability, fp64 `[T]`."""
    leaf = sums.clone().requires_grad_(True)
    loss, metrics = preference_loss(leaf, pairs, batch)
    (slope,) = torch.autograd.grad(loss, leaf)
    return float(loss.detach()), metrics, slope
