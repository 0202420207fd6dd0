"""Sampling on a device that is full: it goes on with less at once, and writes the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from test_generate import Completions, request, run, texts

from elenchus_runtime import engine_native
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.generate import _plan as make_plan
from elenchus_runtime.lean_decoder import LeanDecoder
from elenchus_runtime.models import Base
from elenchus_runtime.protocol import Generate

FULL = 'CUDA out of memory, as if'


def full_when(owner: Any, name: str, full: Callable[..., bool], patch: pytest.MonkeyPatch) -> None:
    """`owner.name` raises whenever `full` says so of its arguments."""
    real = getattr(owner, name)

    def limited(*given: Any, **named: Any) -> Any:
        if full(*given, **named):
            raise torch.OutOfMemoryError(FULL)
        return real(*given, **named)

    patch.setattr(owner, name, limited)


def forty(**changes: Any) -> Generate:
    return request(range(40), engine='native', slots=40, limit=40, **changes)


@pytest.fixture
def whole(base: Base) -> Completions:
    """What is written where there is room."""
    return run(base, forty())


def test_a_step_that_does_not_fit_is_taken_by_fewer_slots(
    base: Base, whole: Completions, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    used: list[int] = []
    full_when(LeanDecoder, 'step', lambda self, n: used.append(n) or n > 10, monkeypatch)  # type: ignore
    assert texts(run(base, forty())) == texts(whole)
    assert [n for n in used if n > 10] == [40, 20]
    log = capfd.readouterr().err
    assert 'out of memory; sampling goes on with 20 sequence(s) at once' in log
    assert 'with 10 sequence(s) at once' in log


@pytest.mark.parametrize('lapped', [False, True])
@pytest.mark.parametrize('after', [1, 12, 25, 40])
def test_what_had_ended_is_sent_once_and_not_written_again(
    base: Base, whole: Completions, lapped: bool, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full once, in the middle: while drawing, when completions of the step before may have ended unsent."""
    monkeypatch.setattr(engine_native, 'LAPPED', frozenset({'cpu'} if lapped else ()))
    calls: list[int] = []
    full_when(engine_native, 'draw', lambda *_: calls.append(1) or len(calls) == after, monkeypatch)  # type: ignore
    plan, _ = make_plan(base, forty())
    kept = {s.completion.key: s.completion for group in plan.groups for s in group.samples}
    written: dict[str, list[int]] = {}
    ticks: list[int] = []
    for completion in engine_native.run(base, base.model, plan, ticks.append):
        assert completion.key not in written
        written[completion.key] = completion.ids
    assert {key: (kept[key].text, kept[key].finish_reason) for key in written} == texts(whole)
    # Not begun anew after it was given away.
    assert all(kept[key].ids is ids for key, ids in written.items())
    # What was thrown away does not count as progress.
    assert sum(ticks) == sum(map(len, written.values()))
    assert min(ticks) <= 0


def test_caches_that_cannot_be_made_are_made_smaller(
    base: Base, whole: Completions, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    full_when(
        LeanDecoder,
        '__init__',
        lambda self, weights, slots, *_, **__: made.append(slots) or slots > 3,
        monkeypatch,
    )  # type: ignore
    assert texts(run(base, forty())) == texts(whole)
    assert made == [40, 20, 10, 5, 2]


def test_prompts_that_do_not_fit_together_are_read_apart(
    base: Base, whole: Completions, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    read: list[list[int]] = []
    full_when(
        engine_native,
        'read_prompts',
        lambda model, groups, _: read.append([len(group.prompt) for group in groups]) or len(groups) > 1,
        monkeypatch,
    )
    steps: list[int] = []
    full_when(LeanDecoder, 'step', lambda self, used: bool(steps.append(used)), monkeypatch)
    assert texts(run(base, forty())) == texts(whole)
    assert len(read[0]) == 4
    # Each in its turn, once, and no sequence began anew.
    assert [lengths for lengths in read if len(lengths) == 1] == [[length] for length in read[0]]
    assert max(steps) == 40
    assert 'out of memory; prompts are read' in capfd.readouterr().err


def test_a_prompt_alone_makes_room_by_taking_slots(
    base: Base, whole: Completions, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots: list[int] = []
    full_when(LeanDecoder, '__init__', lambda self, weights, n, *_, **__: bool(slots.append(n)), monkeypatch)
    full_when(engine_native, 'read_prompts', lambda *_: slots[-1] > 5, monkeypatch)
    assert texts(run(base, forty())) == texts(whole)
    assert slots == [40, 20, 10, 5]


def test_one_sequence_that_does_not_fit_is_an_error_with_a_hint(
    base: Base, whole: Completions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        full_when(LeanDecoder, 'step', lambda *_: True, patch)
        with pytest.raises(WorkerError, match='with 1 sequence') as caught:
            run(base, forty())
    assert caught.value.code == 'out_of_memory'
    assert '--max-new-tokens' in (caught.value.hint or '')
    assert FULL in str(caught.value)
    # The worker goes on.
    assert texts(run(base, forty())) == texts(whole)


def test_deterministic_generation_is_not_made_smaller(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its slots are part of its arithmetic."""
    full_when(LeanDecoder, 'step', lambda self, used: used > 10, monkeypatch)
    with pytest.raises(WorkerError) as caught:
        run(base, forty(deterministic=True))
    assert caught.value.code == 'out_of_memory'


def test_nothing_of_the_failed_try_is_kept(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caches of the larger try are gone before the smaller ones are made."""
    import weakref

    alive: list[weakref.ref[LeanDecoder]] = []
    made = LeanDecoder.__init__

    def watched(self: LeanDecoder, *given: Any, **named: Any) -> None:
        assert not [decoder for decoder in alive if decoder() is not None]
        alive.append(weakref.ref(self))
        made(self, *given, **named)

    monkeypatch.setattr(LeanDecoder, '__init__', watched)
    full_when(LeanDecoder, 'step', lambda self, used: used > 10, monkeypatch)
    run(base, forty())
    assert len(alive) == 3
