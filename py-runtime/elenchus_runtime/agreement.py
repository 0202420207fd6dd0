"""What the ranks of a group agree on before a step: either all take it or none does.

Knows outcomes and how those of shards make that of the whole batch. Knows no process group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from .errors import WorkerError
from .outcome import MAXIMA, SUMS, Outcome


class ShardReport(msgspec.Struct):
    """How one rank's shard went: an outcome, or the failure that kept it from one."""

    error: str | None = None
    """Code of the failure."""
    loss: float = 0.0
    weight: float = 0.0
    tokens: int = 0
    truncated: int = 0
    metrics: dict[str, float] = {}
    budget: int = 0
    trained: bytes = b''
    """One byte per parameter: whether it got a gradient."""


def report_of(outcome: Outcome, budget: int, trained: bytes) -> ShardReport:
    return ShardReport(
        loss=outcome.loss,
        weight=outcome.weight,
        tokens=outcome.tokens,
        truncated=outcome.truncated,
        metrics=outcome.metrics,
        budget=budget,
        trained=trained,
    )


def whole_outcome(reports: Sequence[ShardReport]) -> Outcome:
    """Outcome of the whole batch: losses and metrics are means by weight, unless a metric is of another kind.

    Raises `peer_failed` if a rank failed.
    """
    failed = [rank for rank, report in enumerate(reports) if report.error is not None]
    if failed:
        raise WorkerError(
            'peer_failed', f'Rank {failed[0]} failed ({reports[failed[0]].error}), so no rank takes the step.'
        )
    weight = sum(report.weight for report in reports)
    names = dict.fromkeys(name for report in reports for name in report.metrics)
    metrics = {name: _combined(name, reports) for name in names}
    return Outcome(
        loss=_mean({rank: report.loss for rank, report in enumerate(reports)}, reports),
        tokens=sum(report.tokens for report in reports),
        truncated=sum(report.truncated for report in reports),
        metrics=metrics | {'micro_batch_tokens': float(min(report.budget for report in reports))},
        weight=weight,
    )


def _combined(name: str, reports: Sequence[ShardReport]) -> float:
    values = {rank: report.metrics[name] for rank, report in enumerate(reports) if name in report.metrics}
    if name in MAXIMA:
        return max(values.values())
    if name in SUMS:
        return sum(values.values())
    return _mean(values, reports)


def _mean(values: Mapping[int, float], reports: Sequence[ShardReport]) -> float:
    weight = sum(reports[rank].weight for rank in values)
    if weight == 0:
        return 0.0
    return sum(value * (reports[rank].weight / weight) for rank, value in values.items())
