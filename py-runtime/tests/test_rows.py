"""Packing keeps every row once and within the budget; masks come from lengths."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from elenchus_runtime.errors import WorkerError
from elenchus_runtime.rows import Row, completion_row, completion_rows, pack, pad, refuse_longer_than


def test_packing_keeps_every_row_once_and_within_the_budget() -> None:
    source = random.Random(0)
    for _ in range(200):
        lengths = [source.randrange(1, 50) for _ in range(source.randrange(0, 30))]
        budget = source.randrange(1, 200)
        batches = pack(lengths, budget)
        assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
        for batch in batches:
            width = max(lengths[index] for index in batch)
            assert len(batch) == 1 or len(batch) * width <= budget


def test_padding_marks_targets_and_their_rows() -> None:
    rows = [
        completion_row([1, 2], np.asarray([3], dtype='<i4')),
        completion_row([4], np.asarray([5, 6, 7], dtype='<i4')),
    ]
    batch = pad(rows, torch.device('cpu'))
    assert batch.ids.tolist() == [[1, 2, 3, 0], [4, 5, 6, 7]]
    assert batch.targets.tolist() == [[False, False, True, False], [False, True, True, True]]
    assert batch.owners.tolist() == [0, 1, 1, 1]


def ids(*values: int) -> np.ndarray:
    return np.asarray(values, dtype='<i4')


@pytest.mark.parametrize(
    ('rows', 'completions'),
    [([0], [ids(1), ids(2)]), ([1], [ids(1)]), ([-1], [ids(1)]), ([0], [ids(99)]), ([0], [ids(-1)])],
    ids=['count', 'index', 'negative-index', 'id', 'negative-id'],
)
def test_rows_that_do_not_exist_are_refused(rows: list[int], completions: list[np.ndarray]) -> None:
    with pytest.raises(WorkerError) as caught:
        completion_rows([[1]], rows, completions, vocab=50)
    assert caught.value.code == 'bad_request'


def test_nothing_predicts_a_first_token() -> None:
    with pytest.raises(WorkerError):
        completion_row([], ids(1))
    with pytest.raises(WorkerError):
        Row(np.asarray([1, 2]), np.asarray([True, True]))


def test_long_rows_are_refused_and_not_cut() -> None:
    row = completion_row([1, 2], ids(3, 4))
    refuse_longer_than([row], 4)
    with pytest.raises(WorkerError) as caught:
        refuse_longer_than([row], 3)
    assert (caught.value.code, caught.value.details) == ('prompt_too_long', {'tokens': 4})
