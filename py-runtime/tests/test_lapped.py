"""The engine as on an accelerator, a step ahead of the host: the same completions, one step more for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from conftest import TEXTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_generate import record_steps, request, run, texts
from test_lean import FakeGraphs, trained

from elenchus_runtime import decoder, engine_native, lean_decoder
from elenchus_runtime.adapters import Adapters
from elenchus_runtime.completion import Completion
from elenchus_runtime.lean_decoder import Grain, LeanDecoder
from elenchus_runtime.models import Base
from elenchus_runtime.protocol import Generate, SegmentRule, StopRule


@pytest.fixture
def lapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_native, 'LAPPED', frozenset({'cpu'}))


def in_turn(base: Base, spec: Generate, adapters: Adapters | None = None) -> list[dict[str, Any]]:
    """What the unlapped engine gives, then what the lapped one does."""
    found = []
    for kinds in ({'cuda'}, {'cpu'}):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine_native, 'LAPPED', frozenset(kinds))
            found.append(run(base, spec, adapters))
    return found


def assert_same(found: list[dict[str, Any]]) -> None:
    unlapped, lapped = found
    assert texts(unlapped) == texts(lapped)
    for key, (body, blobs) in unlapped.items():
        assert body.get('stop_name') == lapped[key][0].get('stop_name')
        np.testing.assert_array_equal(blobs['ids'], lapped[key][1]['ids'])
        np.testing.assert_allclose(blobs['logprobs'], lapped[key][1]['logprobs'], atol=2e-4)


STOP = StopRule(name='second', pattern='[a-z ]', count=4)
RULES: list[dict[str, Any]] = [
    {},
    {'stops': [STOP]},
    {'stops': [StopRule(name='first', pattern='.', count=1)]},
    {'segment': SegmentRule(boundary='[a-z]', max_tokens=3)},
    {'limit': 1},
    {'limit': 2},
    # As many positions as the table has: the last step, whose token is thrown away, needs one.
    {'limit': 32},
]


@pytest.mark.parametrize('rules', RULES, ids=str)
@pytest.mark.parametrize('forward', [False, True])
def test_a_step_ahead_changes_no_completion(
    base: Base, rules: dict[str, Any], forward: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends by stop, end of sequence, length and segment; slots refilled and moved, rows that come and go."""
    if forward:
        monkeypatch.setattr(decoder, 'unknown', lambda model: 'as if it were')
    for slots in (1, 3, 11, 40):
        assert_same(in_turn(base, request(range(40), engine='native', slots=slots, **rules)))


@pytest.mark.parametrize(('temperature', 'top_p'), [(0.0, 1.0), (0.7, 0.9)])
@pytest.mark.parametrize('seeds', [0, 100, 1000])
def test_whatever_the_seeds_and_the_sampling(
    base: Base, adapters: Adapters, temperature: float, top_p: float, seeds: int
) -> None:
    trained(adapters, 'a')
    keys = range(seeds, seeds + 30)
    spec = request(keys, temperature, top_p, engine='native', slots=7, policy='a', stops=[STOP], limit=50)
    assert_same(in_turn(base, spec, adapters))


def test_as_on_a_gpu_with_rounded_shapes_and_replayed_steps(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lean_decoder, 'CPU_GRAIN', Grain(8, 2, 16, all_prompt=True))
    monkeypatch.setattr(lean_decoder, 'StepGraphs', FakeGraphs)
    monkeypatch.setattr(lean_decoder, 'MOVED_AT_ONCE', 2)
    for slots in (3, 16, 40):
        assert_same(in_turn(base, request(range(60), engine='native', slots=slots, limit=60, stops=[STOP])))


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    sizes=st.lists(st.integers(1, 11), min_size=1, max_size=6),
    slots=st.integers(1, 20),
    limit=st.integers(1, 45),
    count=st.integers(1, 9),
    grain=st.sampled_from([None, Grain(8, 2, 16, all_prompt=True), Grain(3, 1, 8, all_prompt=True)]),
)
def test_whatever_is_asked(
    base: Base, sizes: list[int], slots: int, limit: int, count: int, grain: Grain | None
) -> None:
    """Groups of any sizes, so that rows of prompts fill and empty in every order."""
    stop = StopRule(name='counted', pattern='[a-z]+', count=count)
    spec = request(range(sum(sizes)), engine='native', slots=slots, limit=limit, stops=[stop])
    prompts = [TEXTS[0][: 10 + 7 * place] for place, size in enumerate(sizes) for _ in range(size)]
    for item, prompt in zip(spec.requests, prompts, strict=True):
        item.prompt = prompt
    with pytest.MonkeyPatch.context() as patch:
        if grain is not None:
            patch.setattr(lean_decoder, 'CPU_GRAIN', grain)
            patch.setattr(lean_decoder, 'StepGraphs', FakeGraphs)
        assert_same(in_turn(base, spec))


def test_prompts_up_to_the_last_position(base: Base) -> None:
    spec = request(range(6), engine='native', slots=4, limit=99)
    for place, item in enumerate(spec.requests):
        item.prompt = 'x' * (base.max_positions - 2 - place)
    assert_same(in_turn(base, spec))


@pytest.mark.usefixtures('lapped')
@pytest.mark.parametrize('samples', [1, 3])
def test_every_sequence_runs_one_step_more(base: Base, samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = range(12) if samples == 3 else range(0, 12, 3)
    spec = request(keys, limit=60, stops=[STOP], engine='native', slots=5)
    found = run(base, spec)
    steps, ended = record_steps(base, spec, monkeypatch)
    assert len(ended) == len(keys)
    assert sum(steps) == sum(len(blobs['ids']) for _, blobs in found.values())


@pytest.mark.usefixtures('lapped')
def test_the_device_has_the_next_step_before_the_host_looks(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    step, push = LeanDecoder.step, Completion.push
    monkeypatch.setattr(LeanDecoder, 'step', lambda *given: happened.append('step') or step(*given))
    monkeypatch.setattr(Completion, 'push', lambda *given: happened.append('push') or push(*given))
    run(base, request(range(3), engine='native', slots=3, limit=5, temperature=0.0))
    # Three slots: what a step draws is looked at once the next one is under way.
    assert happened == (['step'] + ['push'] * 3) * 5


@pytest.mark.usefixtures('lapped')
def test_deterministic_generation_is_never_ahead(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = request(range(5), engine='native', deterministic=True, limit=20)
    found = run(base, spec)
    steps, _ = record_steps(base, spec, monkeypatch)
    assert len(steps) == max(len(blobs['ids']) for _, blobs in found.values()) - 1


def test_what_is_under_way_to_the_device_and_back_is_whole() -> None:
    from elenchus_runtime.device_copies import ToHost, to_device

    cpu = torch.device('cpu')
    assert to_device([3, 1, 2], cpu).tolist() == [3, 1, 2]
    assert to_device([3, 1], cpu).dtype == torch.int64
    assert ToHost(torch.tensor([[2.0, 5.0]])).wait().tolist() == [[2.0, 5.0]]


def test_copies_to_a_device_take_their_place_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """As CUDA is asked: from pinned memory, without waiting."""
    from elenchus_runtime.device_copies import to_device

    asked: list[Any] = []
    move = torch.Tensor.to

    def moved(self: torch.Tensor, device: torch.device, **how: Any) -> torch.Tensor:
        asked.append((device.type, how))
        return move(self, 'meta')

    monkeypatch.setattr(torch.Tensor, 'pin_memory', lambda self: asked.append('pinned') or self)
    monkeypatch.setattr(torch.Tensor, 'to', moved)
    assert to_device([1, 2], torch.device('cuda')).shape == (2,)
    assert asked == ['pinned', ('cuda', {'non_blocking': True})]
