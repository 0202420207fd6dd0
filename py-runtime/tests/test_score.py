"""Scores come back in the order they were asked for, however they are packed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from jobs import RecordingJob
from test_logprobs import plainly, some_rows

from elenchus_runtime.errors import WorkerError
from elenchus_runtime.models import Base
from elenchus_runtime.score import score_rows

LENGTHS = [(5, 9), (30, 1), (1, 20), (12, 0), (12, 12), (3, 7)]


@pytest.mark.parametrize('budget', [1, 40, 10_000])
def test_order_and_values_do_not_depend_on_packing(base: Base, budget: int) -> None:
    rows = some_rows(base.vocab_size, LENGTHS)
    job = RecordingJob()
    scores = score_rows(base, base.model, rows, 0.9, budget, job)
    assert [len(values) for values in scores] == [completion for _, completion in LENGTHS]
    with torch.no_grad():
        for row, values in zip(rows, scores, strict=True):
            np.testing.assert_allclose(values, plainly(base.model, row, 0.9).numpy(), atol=1e-4)
    assert job.pulse.beat > 0


def test_out_of_memory_splits_the_micro_batch(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = some_rows(base.vocab_size, LENGTHS)
    expected = score_rows(base, base.model, rows, 1.0, 10_000, RecordingJob())
    real = base.lay_out

    def lay_out(some: Any) -> Any:
        if len(some) > 2:
            raise torch.OutOfMemoryError
        return real(some)

    monkeypatch.setattr(base, 'lay_out', lay_out)
    for values, wanted in zip(
        score_rows(base, base.model, rows, 1.0, 10_000, RecordingJob()), expected, strict=True
    ):
        np.testing.assert_allclose(values, wanted, atol=1e-5)

    def never(some: Any) -> Any:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(base, 'lay_out', never)
    with pytest.raises(WorkerError) as caught:
        score_rows(base, base.model, rows, 1.0, 10_000, RecordingJob())
    assert caught.value.code == 'out_of_memory'


def test_cancel_ends_between_two_micro_batches(base: Base) -> None:
    job = RecordingJob()
    job.cancelled = True
    with pytest.raises(WorkerError) as caught:
        score_rows(base, base.model, some_rows(base.vocab_size, LENGTHS), 1.0, 1, job)
    assert caught.value.code == 'cancelled'
