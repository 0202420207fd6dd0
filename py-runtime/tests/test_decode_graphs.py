"""Captures: what is asked of CUDA, by a stand-in, and that a refusal costs speed and nothing else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import pytest
import torch
from test_generate import request, run, texts
from test_lean import FakeGraphs

from elenchus_runtime import decode_graphs, lean_decoder, lean_step
from elenchus_runtime.decode_graphs import EAGER_RUNS, StepGraphs
from elenchus_runtime.lean_decoder import Grain, accelerator_grain
from elenchus_runtime.models import Base

CUDA = torch.device('cuda', 1)


class Driver:
    """Records what would go to CUDA; a graph is what ran between its two calls."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.stream = 'main'
        self.pools: list[Any] = []
        driver = self

        class Graph:
            def capture_begin(self, *pool: Any, capture_error_mode: str) -> None:
                driver.calls.append(f'begin {driver.stream} {capture_error_mode}')
                driver.pools.append(pool)

            def capture_end(self) -> None:
                driver.calls.append(f'end {driver.stream}')

            def pool(self) -> str:
                return 'pool'

            def replay(self) -> None:
                driver.calls.append(f'replay {driver.stream}')

        @contextmanager
        def stream(name: str) -> Any:
            before, self.stream = self.stream, name
            try:
                yield
            finally:
                self.stream = before

        for name, value in {
            'CUDAGraph': Graph,
            'stream': stream,
            'synchronize': lambda device: self.calls.append(f'wait {device}'),
            'empty_cache': lambda: self.calls.append('empty'),
        }.items():
            patch.setattr(torch.cuda, name, value)
        patch.setattr(decode_graphs, '_capture_stream', lambda device: 'side')


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    return Driver(monkeypatch)


def test_a_shape_is_captured_once_on_a_stream_of_its_own(driver: Driver) -> None:
    graphs = StepGraphs(CUDA, 4)
    ran: list[str] = []

    def step() -> torch.Tensor:
        ran.append(driver.stream)
        return torch.ones(3, 2)

    for _ in range(EAGER_RUNS):
        assert graphs('a', step).shape == (3, 2)
    assert driver.calls == []
    for _ in range(2):
        assert torch.equal(graphs('a', step), torch.ones(3, 2))
    assert driver.calls == [
        'wait cuda:1',
        'empty',
        'begin side thread_local',
        'end side',
        'replay main',
        'replay main',
    ]
    # Eagerly, once more for the size of the results, and once captured.
    assert ran == ['main'] * (EAGER_RUNS + 1) + ['side']
    for _ in range(EAGER_RUNS + 1):
        graphs('b', step)
    assert driver.pools == [(), ('pool',)]


def test_a_capture_that_fails_is_ended_and_leaves_its_stream(
    driver: Driver, capfd: pytest.CaptureFixture[str]
) -> None:
    graphs = StepGraphs(CUDA, 4)

    def good() -> torch.Tensor:
        return torch.ones(1, 2)

    def bad() -> torch.Tensor:
        if driver.stream == 'side':
            raise RuntimeError('operation not permitted when stream is capturing')
        return torch.zeros(1, 2)

    for _ in range(EAGER_RUNS + 1):
        graphs('good', good)
    for _ in range(EAGER_RUNS + 3):
        assert torch.equal(graphs('bad', bad), torch.zeros(1, 2))
    assert driver.calls.count('end side') == 2
    assert driver.stream == 'main'
    # What has been captured goes on; nothing else is tried.
    before = driver.calls.count('replay main')
    graphs('good', good)
    for _ in range(EAGER_RUNS + 1):
        graphs('other', good)
    assert driver.calls.count('replay main') == before + 1
    assert driver.calls.count('begin side thread_local') == 2
    assert capfd.readouterr().err.count('not captured: operation not permitted') == 1


@pytest.mark.parametrize('error', [torch.OutOfMemoryError, RuntimeError])
def test_a_refusal_changes_no_completion(
    base: Base, error: type[Exception], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Refusing(FakeGraphs):
        def _capture(self, step: Any) -> tuple[Any, torch.Tensor]:
            if self.captured == 2:
                raise error('refused')
            return super()._capture(step)

    spec = request(range(40), engine='native', slots=16, limit=60)
    expected = texts(run(base, spec))
    monkeypatch.setattr(lean_decoder, 'CPU_GRAIN', Grain(8, 2, 16, all_prompt=True))
    monkeypatch.setattr(lean_decoder, 'StepGraphs', Refusing)
    FakeGraphs.made.clear()
    assert texts(run(base, spec)) == expected
    (graphs,) = FakeGraphs.made
    assert graphs.captured == 2
    assert capfd.readouterr().err.count('not captured: refused') == 1


@pytest.mark.parametrize(
    ('slots', 'prompts', 'expected'),
    [
        (512, 192, Grain(64, 64, 128, all_prompt=True)),
        (500, 189, Grain(64, 63, 128, all_prompt=True)),
        (1024, 384, Grain(128, 128, 128, all_prompt=True)),
        (40, 15, Grain(64, 5, 128, all_prompt=True)),
        (1, 1, Grain(64, 1, 128, all_prompt=True)),
        (8, 0, Grain(64, 1, 128, all_prompt=True)),
    ],
)
def test_the_shapes_of_an_accelerator_are_few(slots: int, prompts: int, expected: Grain) -> None:
    assert accelerator_grain(slots, prompts) == expected


@pytest.mark.parametrize('widens', [True, False])
def test_scores_are_fp32_whether_the_product_gives_them_or_not(
    widens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = torch.bmm
    wide: list[torch.dtype] = []

    def bmm(left: torch.Tensor, right: torch.Tensor, out_dtype: torch.dtype | None = None) -> torch.Tensor:
        if out_dtype is None:
            return product(left, right)
        wide.append(out_dtype)
        return product(left.to(out_dtype), right.to(out_dtype))

    monkeypatch.setattr(torch, 'bmm', bmm)
    monkeypatch.setattr(lean_step, 'widens', lambda device, dtype: widens)
    query, keys = torch.randn(2, 3, 4).bfloat16(), torch.randn(2, 5, 4).bfloat16()
    found = lean_step._scores(query, keys)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, query.float() @ keys.float().transpose(1, 2))
    assert wide == [torch.float32] * widens


def test_a_worker_works_on_its_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Launchers may show it all: graphs, events and streams belong to the current one."""
    from elenchus_runtime.ops import Operations

    chosen: list[Any] = []
    monkeypatch.setattr(torch.cuda, 'set_device', chosen.append)
    Operations(torch.device('cpu'))
    assert chosen == []
    Operations(CUDA)
    assert chosen == [CUDA]
