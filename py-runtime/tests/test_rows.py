"""Rows are what was sampled: nothing is cut, made up or guessed."""

from __future__ import annotations

import numpy as np
import pytest

from elenchus_runtime.errors import WorkerError
from elenchus_runtime.rows import Row, completion_row, completion_rows, refuse_longer_than


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
