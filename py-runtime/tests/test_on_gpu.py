"""What the stand-ins of the other tests stand for, on a GPU where there is one: captures, copies, memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_generate import Completions, request, run, scored, texts

from elenchus_runtime import engine_native, lean_decoder
from elenchus_runtime.decode_graphs import EAGER_RUNS, StepGraphs
from elenchus_runtime.device_copies import ToHost, to_device
from elenchus_runtime.lean_decoder import LeanDecoder
from elenchus_runtime.models import Base, load_base
from elenchus_runtime.protocol import Generate, ModelLoad

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='there is no GPU')

GPU = torch.device('cuda', 0)


@pytest.fixture(params=['float32', 'bfloat16'])
def base(tiny_folder: Path, request: pytest.FixtureRequest) -> Base:
    return load_base(ModelLoad(model=str(tiny_folder), dtype=request.param), GPU)


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[StepGraphs]:
    """Those that decoders make."""
    made: list[StepGraphs] = []

    def make(device: torch.device, most: int) -> StepGraphs:
        made.append(StepGraphs(device, most))
        return made[-1]

    monkeypatch.setattr(lean_decoder, 'StepGraphs', make)
    return made


def forty(**changes: Any) -> Generate:
    return request(range(40), engine='native', slots=17, limit=60, **changes)


def assert_true(base: Base, spec: Generate, found: Completions) -> None:
    """Log-probabilities are those of the training kernel: whatever was captured reads what it should."""
    gaps = [
        np.abs(found[item.key][1]['logprobs'] - expected)
        for item, expected in zip(spec.requests, scored(base, spec, found), strict=True)
    ]
    assert np.concatenate(gaps).mean() < (1e-3 if base.dtype == torch.float32 else 0.1)


def test_steps_are_captured_and_true(base: Base, graphs: list[StepGraphs]) -> None:
    spec = forty()
    assert_true(base, spec, run(base, spec))
    (made,) = graphs
    assert made._capturing
    assert made._graphs


@pytest.mark.parametrize('top_p', [1.0, 0.9])
def test_a_step_ahead_writes_the_same(base: Base, top_p: float, monkeypatch: pytest.MonkeyPatch) -> None:
    if base.dtype != torch.float32:
        pytest.skip('half precision may decide near ties otherwise in another shape')
    ahead = texts(run(base, forty(top_p=top_p)))
    monkeypatch.setattr(engine_native, 'LAPPED', frozenset())
    assert ahead == texts(run(base, forty(top_p=top_p)))


def test_a_step_that_may_not_be_captured_runs_anyway(capfd: pytest.CaptureFixture[str]) -> None:
    graphs = StepGraphs(GPU, 4)
    ones = torch.ones(4, 4, device=GPU)

    def waiting() -> torch.Tensor:
        return ones * ones.sum().item()

    for _ in range(EAGER_RUNS + 2):
        assert graphs('waits', waiting)[0, 0].item() == 16
    assert 'not captured' in capfd.readouterr().err
    # Neither the stream nor the memory is left in the middle of it.
    assert torch.cuda.current_stream(GPU) == torch.cuda.default_stream(GPU)
    others = StepGraphs(GPU, 4)
    for _ in range(EAGER_RUNS + 2):
        assert others('fine', lambda: ones @ ones)[0, 0].item() == 4
    assert others._graphs


def test_copies_arrive_in_order(base: Base) -> None:
    left = torch.randn(2048, 2048, device=GPU)
    for count in range(20):
        for _ in range(10):
            left = (left @ left).tanh()
        on_way = ToHost(to_device([count, count + 1], GPU) * 2)
        left = (left @ left).tanh()
        assert on_way.wait().tolist() == [2 * count, 2 * count + 2]


def test_memory_that_really_runs_out(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = texts(run(base, forty()))
    step = LeanDecoder.step

    def hungry(self: LeanDecoder, used: int) -> torch.Tensor:
        if used > 8:
            torch.empty(1 << 50, dtype=torch.uint8, device=GPU)
        return step(self, used)

    monkeypatch.setattr(LeanDecoder, 'step', hungry)
    found = run(base, forty())
    if base.dtype == torch.float32:
        assert texts(found) == expected
    assert_true(base, forty(), found)
