"""Logits that are no numbers: an error that says where, never an index outside, never a record of NaN."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from jobs import RecordingJob
from test_generate import request

from elenchus_runtime import engine_native
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.generate import generate
from elenchus_runtime.lean_decoder import LeanDecoder
from elenchus_runtime.models import Base
from elenchus_runtime.sampling import BLOCK, draw

SETTINGS = [(0.0, 1.0), (1.0, 1.0), (0.7, 0.9)]


@pytest.mark.parametrize('number', [float('nan'), float('inf'), float('-inf')])
@pytest.mark.parametrize(('temperature', 'top_p'), SETTINGS)
@pytest.mark.parametrize('width', [1, BLOCK, BLOCK + 1, 1000])
@pytest.mark.parametrize('everywhere', [True, False])
def test_no_index_leaves_the_vocabulary(
    number: float, temperature: float, top_p: float, width: int, everywhere: bool
) -> None:
    logits = torch.randn(3, width, generator=torch.Generator().manual_seed(0))
    sound, _ = draw(logits, temperature, top_p, torch.tensor([0.0, 0.5, 0.9], dtype=torch.float64))
    logits[1, :: 1 if everywhere else 7] = number
    tokens, picked = draw(logits, temperature, top_p, torch.tensor([0.0, 0.5, 0.9], dtype=torch.float64))
    assert tokens.min() >= 0
    assert tokens.max() < width
    # Of the rows beside it nothing changes.
    assert tokens[[0, 2]].tolist() == sound[[0, 2]].tolist()
    assert picked[[0, 2]].isfinite().all()
    if everywhere or number != float('-inf'):
        assert picked[1].isnan()


@pytest.mark.parametrize('engine', ['native', 'transformers'])
@pytest.mark.parametrize(('temperature', 'top_p'), SETTINGS)
@pytest.mark.parametrize('number', [float('nan'), float('inf')])
@pytest.mark.parametrize('lapped', [False, True])
def test_sampling_from_a_model_that_computes_no_numbers_is_an_error(
    base: Base,
    monkeypatch: pytest.MonkeyPatch,
    engine: Any,
    temperature: float,
    top_p: float,
    number: float,
    lapped: bool,
) -> None:
    if lapped:
        monkeypatch.setattr(engine_native, 'LAPPED', frozenset({'cpu'}))
    with torch.no_grad():
        base.model.model.norm.weight[3] = number
    job = RecordingJob()
    with pytest.raises(WorkerError) as caught:
        generate(base, base.model, request(range(6), temperature, top_p, engine=engine), job)
    assert caught.value.code == 'non_finite'
    assert caught.value.details == {'key': caught.value.details['key'], 'token': 1}
    assert 'Token 1 of completion' in str(caught.value)
    assert 'float32' in (caught.value.hint or '')
    assert not job.completions()


@pytest.mark.parametrize('lapped', [False, True])
def test_what_ended_before_is_kept_and_nothing_of_that_step_is_sent(
    base: Base, monkeypatch: pytest.MonkeyPatch, lapped: bool
) -> None:
    """In the step that gives the twelfth token, which is the last of most."""
    monkeypatch.setattr(engine_native, 'LAPPED', frozenset({'cpu'} if lapped else {}))
    spec = request(range(6), limit=12)
    whole = RecordingJob()
    generate(base, base.model, spec, whole)
    lengths = {key: len(blobs['ids']) for key, (_, blobs) in whole.completions().items()}
    assert min(lengths.values()) < 12 == max(lengths.values())
    true = LeanDecoder.step
    steps = 0

    def overflowing(decoder: LeanDecoder, used: int) -> torch.Tensor:
        nonlocal steps
        steps += 1
        logits = true(decoder, used)
        return logits * torch.nan if steps == 11 else logits

    monkeypatch.setattr(LeanDecoder, 'step', overflowing)
    job = RecordingJob()
    with pytest.raises(WorkerError) as caught:
        generate(base, base.model, spec, job)
    assert caught.value.code == 'non_finite'
    assert caught.value.details['token'] == 12
    assert set(job.completions()) == {key for key, length in lengths.items() if length < 12}
