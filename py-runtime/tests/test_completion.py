"""When a completion ends: stops, segments, end of sequence, length."""

from __future__ import annotations

from typing import Any

import pytest

from elenchus_runtime.completion import Completion, FinishReason, read_limits
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.protocol import Generate, Sampling, SegmentRule, StopRule

EOS = 0


class Letters:
    """A tokenizer whose id n is the nth of some pieces."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces

    def growth(self) -> Any:
        return self

    def add(self, id: int) -> str:
        return self.pieces[id]

    def text(self, ids: list[int]) -> str:
        return ''.join(self.pieces[id] for id in ids)


TEXTS = Letters('', 'a', 'b', '\n', 'Action: x\n', 'CONC', 'LUDE', 'bab')


def complete(ids: list[int], limit: int = 99, **rules: Any) -> tuple[int, FinishReason | None, str | None]:
    """How many tokens were taken, and why it ended there."""
    spec = Generate(
        policy=None, requests=[], sampling=Sampling(temperature=1, top_p=1, max_new_tokens=limit), **rules
    )
    completion = Completion('k', 3, limit, read_limits(spec, frozenset([EOS])), TEXTS)  # type: ignore[arg-type]
    for taken, id in enumerate(ids, start=1):
        if completion.push(id, -1.0):
            return taken, completion.finish_reason, completion.stop_name
    return len(ids), completion.finish_reason, completion.stop_name


def stop(pattern: str, count: int = 1, name: str = 's') -> list[StopRule]:
    return [StopRule(name=name, pattern=pattern, count=count)]


def test_end_of_sequence_ends_and_belongs_to_the_ids() -> None:
    assert complete([1, 2, EOS, 1]) == (3, 'eos', None)


def test_length_ends() -> None:
    assert complete([1, 1, 1, 1], limit=3) == (3, 'length', None)


def test_a_stop_ends_with_the_token_that_completes_it() -> None:
    assert complete([1, 5, 6, 1], stops=stop('CONCLUDE')) == (3, 'stop', 's')


def test_a_stop_is_counted() -> None:
    assert complete([4, 1, 4, 4, 4], stops=stop(r'Action: .*\n', 3)) == (4, 'stop', 's')


def test_several_matches_in_one_token_all_count() -> None:
    assert complete([7, 7], stops=stop('b', 3)) == (2, 'stop', 's')


def test_matches_do_not_overlap() -> None:
    assert complete([2, 1, 2, 1, 2, 1], stops=stop('bab', 2)) == (6, None, None)


def test_the_first_stop_that_is_reached_is_named() -> None:
    rules = [*stop('b', 2, 'two'), *stop('a', 1, 'one')]
    assert complete([2, 1, 2], stops=rules) == (2, 'stop', 'one')


def test_an_empty_match_does_not_hang() -> None:
    assert complete([1, 1], stops=stop('x*', 3)) == (2, 'stop', 's')


def test_a_segment_ends_when_its_limit_is_used_up() -> None:
    segment = SegmentRule(boundary=r'\n', max_tokens=3)
    assert complete([1, 1, 3, 1, 1, 1], segment=segment) == (6, 'segment_length', None)
    assert complete([1, 1, 3, 1, 1, 3, 1, 1], segment=segment) == (8, None, None)


def test_what_is_reached_together_is_named_by_what_was_meant() -> None:
    segment = SegmentRule(boundary=r'\n', max_tokens=2)
    assert complete([1, 2], limit=2, segment=segment, stops=stop('b')) == (2, 'stop', 's')
    assert complete([1, EOS], limit=2, segment=segment) == (2, 'eos', None)
    assert complete([1, 2], limit=2, segment=segment) == (2, 'segment_length', None)


@pytest.mark.parametrize(
    'rules',
    [
        {'stops': stop('(')},
        {'stops': stop('a', 0)},
        {'segment': SegmentRule(boundary='[', max_tokens=1)},
        {'segment': SegmentRule(boundary='a', max_tokens=0)},
    ],
    ids=str,
)
def test_rules_that_mean_nothing_are_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(WorkerError) as caught:
        complete([], **rules)
    assert caught.value.code == 'bad_request'
