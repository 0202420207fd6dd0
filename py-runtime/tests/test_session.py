"""Numbered steps, guards, memory, and resuming exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import lora
from test_half_precision import batch_of
from torch.utils._python_dispatch import TorchDispatchMode
from training import (
    assert_same,
    begin,
    dpo_batch,
    dpo_blobs,
    gradients_of,
    sft_batch,
    take,
    weights_of,
)

from elenchus_runtime import train_sft
from elenchus_runtime.adapters import Adapters
from elenchus_runtime.blobs import pack_ragged
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.models import Base
from elenchus_runtime.protocol import LmIdsBatch, OptimizerSettings


def code_of(action: Callable[[], Any]) -> str:
    with pytest.raises(WorkerError) as caught:
        action()
    return caught.value.code


# Steps


def test_steps_learn_and_report(base: Base, adapters: Adapters) -> None:
    session = begin(base, adapters)
    results = [take(session, step, sft_batch()) for step in range(1, 6)]
    losses = [result['loss'] for result in results]
    assert losses == sorted(losses, reverse=True)
    assert [result['step'] for result in results] == [1, 2, 3, 4, 5]
    assert results[0]['grad_norm'] > 0
    assert results[0]['tokens'] == sum(
        len(row.ids) for row in train_sft.rows_from_text(base, sft_batch()).rows
    )
    assert base.trained


def test_a_repeated_step_is_replayed_and_a_gap_is_refused(base: Base, adapters: Adapters) -> None:
    session = begin(base, adapters)
    first = take(session, 1, sft_batch())
    after = weights_of(base)
    assert take(session, 1, sft_batch()) == first
    assert_same(weights_of(base), after, atol=0, rtol=0)
    for step in (0, 3, 99):
        assert code_of(lambda step=step: take(session, step, sft_batch())) == 'step_out_of_order'
    take(session, 2, sft_batch())
    assert code_of(lambda: take(session, 1, sft_batch())) == 'step_out_of_order'


def test_a_step_that_failed_may_be_tried_again(base: Base, adapters: Adapters) -> None:
    session = begin(base, adapters)
    before = weights_of(base)
    assert code_of(lambda: take(session, 1, sft_batch(max_length=2))) == 'prompt_too_long'
    assert_same(weights_of(base), before, atol=0, rtol=0)
    assert take(session, 1, sft_batch())['step'] == 1


def test_the_learning_rate_is_the_steps(base: Base, adapters: Adapters) -> None:
    session = begin(base, adapters)
    before = weights_of(base)
    take(session, 1, sft_batch(), rate=0.0)
    assert_same(weights_of(base), before, atol=0, rtol=0)
    take(session, 2, sft_batch(), rate=1e-3)
    moved = max(float((now - before[name]).abs().max()) for name, now in weights_of(base).items())
    # AdamW moves a weight by at most about the learning rate.
    assert 1e-4 < moved < 4e-3


def test_gradients_are_clipped_to_the_norm(base: Base, adapters: Adapters) -> None:
    settings = OptimizerSettings(betas=(0.0, 0.0), eps=1e9, weight_decay=0.0, max_grad_norm=0.5)
    session = begin(base, adapters, optimizer=settings)
    before = weights_of(base)
    result = take(session, 1, sft_batch(), rate=1e9)
    assert result['grad_norm'] > 0.5
    # With a huge eps, AdamW is plain gradient descent: the whole move has the clipped norm.
    moved = torch.cat([(now - before[name]).flatten() for name, now in weights_of(base).items()])
    assert float(moved.norm()) == pytest.approx(0.5, rel=0.05)


def test_weight_decay_spares_biases_and_norms(base: Base, adapters: Adapters) -> None:
    settings = OptimizerSettings(betas=(0.9, 0.99), eps=1e30, weight_decay=0.5, max_grad_norm=1.0)
    session = begin(base, adapters, optimizer=settings)
    before = weights_of(base)
    take(session, 1, sft_batch(), rate=0.1)
    for name, now in weights_of(base).items():
        factor = 0.95 if before[name].ndim >= 2 else 1.0
        torch.testing.assert_close(now, before[name] * factor, msg=name)


@pytest.mark.parametrize(
    ('algorithm', 'batch'), [('sft', dpo_batch()), ('dpo', sft_batch()), ('dpo', LmIdsBatch())], ids=str
)
def test_sessions_take_their_own_batches(base: Base, adapters: Adapters, algorithm: str, batch: Any) -> None:
    session = begin(base, adapters, algorithm=algorithm)
    assert code_of(lambda: take(session, 1, batch, dpo_blobs(base))) == 'bad_request'


def test_checkpointed_gradients_are_the_same_gradients(base: Base, adapters: Adapters) -> None:
    adapters.create(lora('p'))
    results = [
        take(begin(base, adapters, 'p', gradient_checkpointing=flag), 1, sft_batch(), rate=0.0)
        for flag in (False, True)
    ]
    assert results[0]['grad_norm'] == pytest.approx(results[1]['grad_norm'], rel=1e-5)
    assert base.model.is_gradient_checkpointing
    session = begin(base, adapters, 'p', gradient_checkpointing=True)
    session.end()
    assert not base.model.is_gradient_checkpointing


# Guards


def test_a_loss_that_is_not_finite_stops_before_the_weights(base: Base, adapters: Adapters) -> None:
    session = begin(base, adapters)
    take(session, 1, sft_batch())
    with torch.no_grad():
        base.model.model.norm.weight[0] = float('nan')
    before = weights_of(base)
    assert code_of(lambda: take(session, 2, sft_batch())) == 'non_finite'
    assert_same(weights_of(base), before, atol=0, rtol=0, equal_nan=True)


def test_a_gradient_that_is_not_finite_stops_too(base: Base, adapters: Adapters, monkeypatch: Any) -> None:
    session = begin(base, adapters)
    base.model.model.norm.weight.register_hook(lambda grad: grad * float('inf'))
    before = weights_of(base)
    assert code_of(lambda: take(session, 1, sft_batch())) == 'non_finite'
    assert_same(weights_of(base), before, atol=0, rtol=0)


def test_a_first_step_that_changes_nothing_is_an_error(
    base: Base, adapters: Adapters, monkeypatch: Any
) -> None:
    session = begin(base, adapters)
    monkeypatch.setattr(session._optimiser, 'step', lambda *rates: None)
    assert code_of(lambda: take(session, 1, sft_batch())) == 'guard_failed'


def test_half_precision_weights_are_not_trained(base: Base, adapters: Adapters) -> None:
    base.model.to(torch.bfloat16)
    assert code_of(lambda: begin(base, adapters)) == 'guard_failed'
    adapters.create(lora('p'))
    assert begin(base, adapters, 'p').trainable_parameters > 0


# Memory


def run_out_of_memory_above(base: Base, monkeypatch: pytest.MonkeyPatch, tokens: int) -> list[int]:
    """Sizes that were tried; anything larger than `tokens` fails as a full device would."""
    tried: list[int] = []
    real = base.lay_out

    def lay_out(rows: Any) -> Any:
        layout = real(rows)
        tried.append(layout.num_tokens)
        if layout.num_tokens > tokens:
            raise torch.OutOfMemoryError('as if the device were full')
        return layout

    monkeypatch.setattr(base, 'lay_out', lay_out)
    return tried


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_batch(
    base: Base, adapters: Adapters, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = begin(base, adapters)
    whole = take(session, 1, sft_batch(), rate=0.0)
    tried = run_out_of_memory_above(base, monkeypatch, 45)
    halved = take(session, 2, sft_batch(), rate=0.0)
    assert halved['loss'] == pytest.approx(whole['loss'], abs=1e-6)
    assert halved['grad_norm'] == pytest.approx(whole['grad_norm'], rel=1e-4)
    assert max(tried) > 45
    assert halved['metrics']['micro_batch_tokens'] <= 45
    # What has been learned about the memory is kept.
    tried.clear()
    take(session, 3, sft_batch(), rate=0.0)
    assert max(tried) <= 45


def test_a_row_that_does_not_fit_at_all_is_an_error(
    base: Base, adapters: Adapters, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = begin(base, adapters)
    run_out_of_memory_above(base, monkeypatch, 5)
    assert code_of(lambda: take(session, 1, sft_batch())) == 'out_of_memory'
    assert gradients_of(base) == {}


# Checkpoints


def steps(session: Any, base: Base, numbers: range) -> None:
    for number in numbers:
        take(session, number, dpo_batch(), dpo_blobs(base), rate=1e-3)


def test_resuming_is_exact_with_dropout(base: Base, adapters: Adapters, tmp_path: Path) -> None:
    """Six steps in a row, or three, a checkpoint, a new adapter of another name, and three more."""
    adapters.create(lora('straight', dropout=0.3))
    session = begin(base, adapters, 'straight', algorithm='dpo')
    steps(session, base, range(1, 7))
    expected = adapters.weights('straight')
    session.end()

    adapters.create(lora('first', dropout=0.3))
    session = begin(base, adapters, 'first', algorithm='dpo')
    steps(session, base, range(1, 4))
    session.save(str(tmp_path / 'c'), {'epoch': 2, 'order': [3, 1]})
    last = take(session, 3, dpo_batch(), dpo_blobs(base))
    session.end()
    adapters.drop('first')

    adapters.create(lora('second', dropout=0.3, seed=99))
    session = begin(base, adapters, 'second', algorithm='dpo')
    state = session.load(str(tmp_path / 'c'))
    assert (state.step, state.cursor) == (3, {'epoch': 2, 'order': [3, 1]})
    assert take(session, 3, dpo_batch(), dpo_blobs(base)) == last
    steps(session, base, range(4, 7))
    assert_same(adapters.weights('second'), expected, atol=0, rtol=0)


def test_full_weights_resume_too(base: Base, adapters: Adapters, tmp_path: Path) -> None:
    session = begin(base, adapters)
    take(session, 1, sft_batch())
    session.save(str(tmp_path / 'c'), None)
    take(session, 2, sft_batch())
    expected = weights_of(base)
    session.load(str(tmp_path / 'c'))
    take(session, 2, sft_batch())
    assert_same(weights_of(base), expected, atol=0, rtol=0)


def test_dropout_differs_between_steps_and_not_between_runs(base: Base, adapters: Adapters) -> None:
    adapters.create(lora('p', dropout=0.5))
    with torch.no_grad():
        for parameter in adapters.train('p').values():
            parameter.normal_(std=0.2)
    losses = []
    for _ in range(2):
        session = begin(base, adapters, 'p')
        losses.append([take(session, number, sft_batch(), rate=0.0)['loss'] for number in (1, 2)])
        session.end()
    assert losses[0] == losses[1]
    assert losses[0][0] != losses[0][1]


def test_the_checkpoint_is_of_this_session(base: Base, adapters: Adapters, tmp_path: Path) -> None:
    adapters.create(lora('p'))
    session = begin(base, adapters, 'p')
    take(session, 1, sft_batch())
    session.save(str(tmp_path / 'c'), None)
    session.end()
    adapters.create(lora('wider', rank=8))
    for policy, changes in [('wider', {}), (None, {}), ('p', {'seed': 6}), ('p', {'algorithm': 'dpo'})]:
        other = begin(base, adapters, policy, **changes)
        assert code_of(lambda other=other: other.load(str(tmp_path / 'c'))) == 'checkpoint_corrupt'


class Reads(TorchDispatchMode):
    """Counts numbers that the host reads from a tensor: on a GPU it waits for each."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize('algorithm', ['sft', 'dpo', 'ppo'])
def test_the_host_reads_no_more_for_more_micro_batches(
    base: Base, adapters: Adapters, algorithm: str
) -> None:
    reads: list[int] = []
    batches: list[int] = []
    for budget in (10_000, 25):
        name = f'p{budget}'
        adapters.create(lora(name))
        session = begin(base, adapters, name, algorithm=algorithm, micro_batch_tokens=budget)
        batch, blobs = batch_of(algorithm, session, base)
        take(session, 1, batch, blobs)
        with Reads() as mode:
            take(session, 2, batch, blobs)
        batches.append(len(base.micro_batches(session._prepare(batch, blobs).rows, budget)))
        session.end()
        reads.append(mode.count)
    assert batches[0] == 1
    assert batches[1] > 1
    assert reads[0] == reads[1]


@pytest.mark.parametrize('damage', ['flip', 'cut', 'remove', 'state', 'format'])
def test_a_damaged_checkpoint_is_refused(base: Base, adapters: Adapters, tmp_path: Path, damage: str) -> None:
    adapters.create(lora('p'))
    session = begin(base, adapters, 'p')
    take(session, 1, sft_batch())
    folder = tmp_path / 'c'
    size = session.save(str(folder), None)
    assert size == sum(file.stat().st_size for file in folder.iterdir())
    optimizer = folder / 'optimizer.safetensors'
    content = bytearray(optimizer.read_bytes())
    if damage == 'flip':
        content[-3] ^= 1
        optimizer.write_bytes(content)
    elif damage == 'cut':
        optimizer.write_bytes(content[:-8])
    elif damage == 'remove':
        optimizer.unlink()
    elif damage == 'state':
        (folder / 'state.json').write_text('{')
    else:
        state = json.loads((folder / 'state.json').read_text())
        (folder / 'state.json').write_text(json.dumps(state | {'format': 2}))
    before = adapters.weights('p')
    assert code_of(lambda: session.load(str(folder))) == 'checkpoint_corrupt'
    assert_same(adapters.weights('p'), before, atol=0, rtol=0)


def test_an_absent_checkpoint_is_missing_and_not_corrupt(
    base: Base, adapters: Adapters, tmp_path: Path
) -> None:
    assert code_of(lambda: begin(base, adapters).load(str(tmp_path / 'none'))) == 'file_missing'


def test_generating_in_between_changes_no_step(base: Base, adapters: Adapters) -> None:
    """Online training generates with the policy between steps; modes and gradients must come back."""
    adapters.create(lora('p', dropout=0.2))
    expected = []
    for interrupted in (False, True):
        session = begin(base, adapters, 'p')
        losses = []
        for number in (1, 2, 3):
            losses.append(take(session, number, sft_batch(), rate=0.0)['loss'])
            if interrupted:
                model = adapters.use(None)
                with torch.inference_mode():
                    model(torch.tensor([[1, 2, 3]]))
        session.end()
        expected.append(losses)
    assert expected[0] == expected[1]


def test_the_fingerprint_of_what_is_trained_changes(base: Base, adapters: Adapters) -> None:
    session = begin(base, adapters)
    first = session.weights_fingerprint()
    take(session, 1, sft_batch())
    assert session.weights_fingerprint() != first


def test_id_batches_go_through_sessions(base: Base, adapters: Adapters) -> None:
    blobs = pack_ragged('ids', [np.asarray([5, 6, 7])], 'i32') | {
        'target_mask': np.asarray([0, 1, 1], dtype='u1')
    }
    session = begin(base, adapters)
    assert take(session, 1, LmIdsBatch(), blobs)['metrics']['targets'] == 2


def test_both_passes_of_a_micro_batch_have_the_same_dropout_and_no_two_share_it(
    base: Base, adapters: Adapters, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters.create(lora('p', dropout=0.3))
    session = begin(base, adapters, 'p', algorithm='dpo', micro_batch_tokens=40)
    seeds: list[int] = []
    real = torch.manual_seed

    def manual_seed(seed: int) -> Any:
        seeds.append(seed)
        return real(seed)

    monkeypatch.setattr(torch, 'manual_seed', manual_seed)
    for step in (1, 2):
        take(session, step, dpo_batch(), dpo_blobs(base))
    half = len(seeds) // 2
    for step_seeds in (seeds[:half], seeds[half:]):
        passes = len(step_seeds) // 2
        assert passes > 1
        assert step_seeds[:passes] == step_seeds[passes:]
    assert len(set(seeds)) == half
