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
import numpy.typing as npt
import torch

from .blobs import Blobs, need_blob, unpack_ragged
from .device_copies import to_device
from .dpo_loss import PairSet, preference_loss
from .errors import WorkerError
from .logprobs import row_sums, target_logprobs
from .models import Base
from .outcome import Outcome
from .protocol import DpoBatch
from .rows import Row, completion_rows, refuse_longer_than


@dataclass(frozen=True)
class PairGraph:
    """`edges` `[P, 2]`: the rows of each pair, chosen first, as `pairs` has them on the device."""

    rows: list[Row]
    edges: npt.NDArray[np.int64]
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
    pairs = np.asarray(batch.pairs, dtype=np.int64)
    if pairs.min() < 0 or pairs.max() >= len(rows) or (pairs[:, 0] == pairs[:, 1]).any():
        raise WorkerError('bad_request', f'A pair must name two different trajectories of {len(rows)}.')
    if batch.weights is not None and len(batch.weights) != len(batch.pairs):
        raise WorkerError('bad_request', 'weights needs one number per pair.')
    if min(row.num_targets for row in rows) == 0:
        raise WorkerError('bad_request', 'A trajectory without tokens cannot be trained on.')
    if not 0 <= batch.label_smoothing < 0.5 or batch.beta <= 0:
        raise WorkerError('bad_request', 'beta must be positive and label_smoothing in [0, 0.5).')
    weights = np.asarray(batch.weights or [1.0] * len(pairs), dtype=np.float64)
    lengths = np.asarray([row.num_targets for row in rows], dtype=np.float64)
    columns = (pairs[:, 0], pairs[:, 1], weights, reference.astype(np.float64), lengths)
    return PairGraph(rows, pairs, PairSet(*(to_device(column, base.device) for column in columns)))


def accumulate(
    base: Base, graph: PairGraph, batch: DpoBatch, budget: int, before: Callable[[int], None]
) -> Outcome:
    """Adds the gradient of the mean loss over pairs to the parameters.

    `before(k)` runs before micro-batch k, in both passes: it sets the same dropout for both.
    """
    batches = base.micro_batches(graph.rows, budget)
    layouts = [base.lay_out([graph.rows[member] for member in members]) for members in batches]
    places = [to_device(members, base.device) for members in batches]
    sums = torch.zeros(len(graph.rows), dtype=torch.float64, device=base.device)

    def evaluate(index: int) -> torch.Tensor:
        before(index)
        layout = layouts[index]
        part = row_sums(target_logprobs(base.model, base.plain_head, layout), layout)
        sums.index_copy_(0, places[index], part.detach())
        return part

    def backward(index: int, part: torch.Tensor, slope: torch.Tensor) -> None:
        part.backward(slope.index_select(0, places[index]))

    if _closed(batches, graph.edges):
        for index in range(len(batches)):
            part = evaluate(index)
            # What the sums of later micro-batches will be does not matter to this one's slope.
            backward(index, part, _slope(sums, graph.pairs, batch))
    elif sum(layout.num_tokens for layout in layouts) <= budget:
        parts = [evaluate(index) for index in range(len(batches))]
        slope = _slope(sums, graph.pairs, batch)
        for index, part in enumerate(parts):
            backward(index, part, slope)
    else:
        with torch.no_grad():
            for index in range(len(batches)):
                evaluate(index)
        slope = _slope(sums, graph.pairs, batch)
        for index in range(len(batches)):
            backward(index, evaluate(index), slope)
    mean, metrics = preference_loss(sums, graph.pairs, batch)
    loss, *values = torch.stack([mean, *metrics.values()]).tolist()
    tokens = sum(len(row.ids) for row in graph.rows)
    return Outcome(loss, tokens, 0, dict(zip(metrics, values, strict=True)), float(len(batch.pairs)))


def _closed(batches: list[list[int]], edges: npt.NDArray[np.int64]) -> bool:
    """Whether every pair has both its sides in one micro-batch."""
    places = np.empty(sum(map(len, batches)), dtype=np.int64)
    for index, members in enumerate(batches):
        places[members] = index
    return bool((places[edges[:, 0]] == places[edges[:, 1]]).all())


def _slope(sums: torch.Tensor, pairs: PairSet, batch: DpoBatch) -> torch.Tensor:
    """Of the loss by each trajectory's log-probability, fp64 `[T]`."""
    with torch.enable_grad():
        leaf = sums.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(preference_loss(leaf, pairs, batch)[0], leaf)
    return slope
