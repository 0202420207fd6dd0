"""bf16 on the CPU: the arithmetic of a GPU's dtype, without one. Everything agrees, to its rounding."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import lora, make_tokenizer
from families import NATIVE, write_family
from jobs import RecordingJob
from test_generate import request, run, scored
from training import ROWS, begin, dpo_batch, dpo_blobs, sft_batch, take

from elenchus_runtime import canary, decoder, lean_weights
from elenchus_runtime.adapters import Adapters
from elenchus_runtime.blobs import unpack_ragged
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.generate import generate
from elenchus_runtime.models import Base, load_base
from elenchus_runtime.protocol import Batch, ModelLoad, PpoBatch
from elenchus_runtime.rows import completion_rows
from elenchus_runtime.session import Session

NATS = 0.2
"""States are rounded to 8 bits, logits are not: 0.018 in the mean and 0.15 at most of 700 tokens each."""


@pytest.fixture(scope='module')
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp('half')
    tokenizer = make_tokenizer(folder)
    return {name: write_family(name, tokenizer, folder) for name in NATIVE}


def load(folder: Path, dtype: str) -> Base:
    base = load_base(ModelLoad(model=str(folder), dtype=dtype), torch.device('cpu'))  # type: ignore[arg-type]
    assert base.dtype == getattr(torch, dtype)
    return base


@pytest.mark.parametrize('family', NATIVE)
@pytest.mark.parametrize('policy', [None, 'a'])
def test_greedy_tokens_are_those_of_transformers_or_tied_with_them(
    folders: dict[str, Path], family: str, policy: str | None
) -> None:
    base = load(folders[family], 'bfloat16')
    adapters = Adapters(base)
    adapters.create(lora('a'))
    for parameter in adapters.train('a').values():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
    spec = request(range(0, 12, 3), temperature=0.0, policy=policy, engine='native')
    native = run(base, spec, adapters)
    model = adapters.use(policy)
    same = 0
    for item in spec.requests:
        ids = native[item.key][1]['ids'].tolist()
        (prompt,) = base.encode([item.prompt], special_tokens=True)
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([prompt + ids[:-1]]), use_cache=False).logits
        expected = logits[0, len(prompt) - 1 :].float().log_softmax(-1)
        chosen = expected[torch.arange(len(ids)), torch.tensor(ids)]
        # Another token only where rounding decides.
        assert (expected.amax(-1) - chosen).max() < NATS
        same += int((expected.argmax(-1) == torch.tensor(ids)).sum())
    assert same >= 0.9 * sum(len(native[item.key][1]['ids']) for item in spec.requests)


@pytest.mark.parametrize('family', NATIVE)
def test_logprobs_of_the_engine_are_those_of_the_kernel(folders: dict[str, Path], family: str) -> None:
    base = load(folders[family], 'bfloat16')
    spec = request(range(24), engine='native')
    native = run(base, spec)
    expected = np.concatenate(scored(base, spec, native))
    gaps = np.abs(np.concatenate([native[item.key][1]['logprobs'] for item in spec.requests]) - expected)
    assert gaps.mean() < NATS / 8
    assert gaps.max() < NATS
    # The canary has looked, and found nothing.
    assert base.watch.due <= 0


def test_the_canary_knows_another_adapter_in_half_precision(folders: dict[str, Path]) -> None:
    base = load(folders['llama'], 'bfloat16')
    adapters = Adapters(base)
    for name in ('a', 'b'):
        adapters.create(lora(name))
        for parameter in adapters.train(name).values():
            torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(ord(name)))
    for policy in ('a', 'b', None, 'a'):
        generate(
            base, adapters.use(policy), request(range(6), policy=policy, engine='native'), RecordingJob()
        )
        assert base.watch.due <= 0


@pytest.mark.parametrize('family', ['llama', 'qwen3'])
def test_the_canary_catches_an_adapter_that_is_30_steps_old(
    folders: dict[str, Path], family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the size that the guide trains with, by the session's own steps. Rounding alone stays below a half
    of what is tolerated, the old adapter comes to twice that.
    """
    base = load(folders[family], 'bfloat16')
    adapters = Adapters(base)
    for name in ('old', 'a'):
        adapters.create(lora(name, rank=16, alpha=32.0))
    session = begin(base, adapters, 'a', algorithm='sft')
    for step in range(1, 31):
        take(session, step, sft_batch(), rate=2e-4)
    spec = request(range(6), policy='a', engine='native')
    for given, tolerance in (('a', canary.COARSE_TOLERANCE / 2), ('old', 2 * canary.COARSE_TOLERANCE)):
        weights = lean_weights.read_weights(adapters.use(given))
        monkeypatch.setattr(decoder, 'read_weights', lambda model, weights=weights: weights)
        monkeypatch.setattr(canary, 'COARSE_TOLERANCE', tolerance)
        base.watch.forget()
        job = RecordingJob()
        if given == 'a':
            generate(base, adapters.use('a'), spec, job)
            assert base.watch.due <= 0
            continue
        with pytest.raises(WorkerError) as caught:
            generate(base, adapters.use('a'), spec, job)
        assert caught.value.code == 'guard_failed'
        assert not job.completions()


def own_scores(session: Session, base: Base, blobs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """What the policy itself says of the completions: the start of every DPO and PPO run."""
    prompts = base.encode(dpo_batch().prompts, special_tokens=True)
    rows = completion_rows(prompts, ROWS, unpack_ragged('ids', blobs), base.vocab_size)
    return session.score(rows, 1.0, 10_000, RecordingJob())['logprobs']


def batch_of(algorithm: str, session: Session, base: Base) -> tuple[Batch, dict[str, np.ndarray]]:
    if algorithm == 'sft':
        return sft_batch(), {}
    blobs = dpo_blobs(base)
    if algorithm == 'dpo':
        return dpo_batch(), blobs
    del blobs['reference_sums']
    blobs['old_logprobs'] = np.concatenate(own_scores(session, base, blobs))
    blobs['advantages'] = np.random.default_rng(1).standard_normal(len(blobs['ids'])).astype('<f4')
    fields: dict[str, Any] = {'temperature': 1.0, 'clip_low': 0.2, 'clip_high': 0.2, 'max_length': 400}
    return PpoBatch(prompts=dpo_batch().prompts, rows=ROWS, **fields), blobs


def gradient(folder: Path, dtype: str, algorithm: str) -> tuple[float, torch.Tensor]:
    """Of an adapter: all weights are trained in single precision only."""
    base = load(folder, dtype)
    adapters = Adapters(base)
    adapters.create(lora('a'))
    for name, parameter in adapters.train('a').items():
        seed = torch.Generator().manual_seed(len(name))
        parameter.data.copy_(0.1 * torch.randn(parameter.shape, generator=seed))
    session = begin(base, adapters, 'a', algorithm=algorithm)
    batch, blobs = batch_of(algorithm, session, base)
    kept: list[torch.Tensor] = []
    clip = session._optimiser.clip

    def keep() -> float:
        live = [p.grad for _, p in sorted(session._live.items()) if p.grad is not None]
        kept.extend(grad.detach().float().flatten().clone() for grad in live)
        return clip()

    session._optimiser.clip = keep  # type: ignore[method-assign]
    loss = take(session, 1, batch, blobs)['loss']
    return loss, torch.cat(kept)


@pytest.mark.parametrize('algorithm', ['sft', 'dpo', 'ppo'])
def test_loss_and_direction_of_a_step_are_those_of_single_precision(
    folders: dict[str, Path], algorithm: str
) -> None:
    fine, fine_gradient = gradient(folders['llama'], 'float32', algorithm)
    half, half_gradient = gradient(folders['llama'], 'bfloat16', algorithm)
    assert half == pytest.approx(fine, rel=0.05, abs=0.05)
    assert len(half_gradient) == len(fine_gradient)
    assert torch.cosine_similarity(half_gradient, fine_gradient, dim=0) > 0.98
    assert half_gradient.norm() == pytest.approx(float(fine_gradient.norm()), rel=0.1)


def test_against_its_own_reference_the_first_loss_is_exactly_ln_2(folders: dict[str, Path]) -> None:
    """In half precision too: the same kernel scores the reference, so rounding is the same."""
    base = load(folders['llama'], 'bfloat16')
    adapters = Adapters(base)
    adapters.create(lora('a'))
    session = begin(base, adapters, 'a', algorithm='dpo')
    blobs = dpo_blobs(base)

    scores = own_scores(session, base, blobs)
    blobs['reference_sums'] = np.asarray([row.astype(np.float64).sum() for row in scores])
    assert take(session, 1, dpo_batch(), blobs)['loss'] == pytest.approx(math.log(2), abs=1e-6)
