"""Policy-gradient steps against the loss written out with plain PyTorch, value and gradient, in fp32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import lora
from jobs import RecordingJob
from training import COMPLETIONS, PROMPTS, ROWS, assert_same, begin, gradients_of, take

from elenchus_runtime import train_ppo
from elenchus_runtime.adapters import Adapters
from elenchus_runtime.blobs import pack_ragged
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.models import Base
from elenchus_runtime.outcome import Outcome
from elenchus_runtime.protocol import PpoBatch
from elenchus_runtime.rows import completion_rows
from elenchus_runtime.value_head import FILE, ValueHead

VARIANTS: list[dict[str, Any]] = [
    {},
    {'temperature': 1.7},
    {'clip_low': 0.05, 'clip_high': 0.4},
    {'entropy_coef': 0.3},
    {'kl_coef': 0.5},
    {'value_clip': None},
    {'value_only': True},
]


def ppo_batch(**changes: Any) -> PpoBatch:
    fields: dict[str, Any] = {
        'prompts': PROMPTS,
        'rows': ROWS,
        'max_length': 400,
        'temperature': 1.0,
        'clip_low': 0.2,
        'clip_high': 0.2,
        'value_clip': 0.3,
        'value_coef': 0.4,
        'value_learning_rate': 1e-2,
    }
    return PpoBatch(**(fields | changes))


def some_head(base: Base) -> ValueHead:
    head = ValueHead(base.config.hidden_size, base.device)
    with torch.no_grad():
        head.weight.normal_(std=0.2, generator=torch.Generator().manual_seed(2))
        head.bias.fill_(0.1)
    return head


def completions_of(base: Base) -> list[np.ndarray]:
    """The first ends with the padding token, as where padding and end of text are one."""
    ids = list(base.encode_arrays(COMPLETIONS, special_tokens=False))
    ids[0] = np.append(ids[0], base.tokenizer.pad_token_id).astype(np.int32)
    ids[1] = np.append(ids[1], 0).astype(np.int32)
    return ids


@torch.no_grad()
def ppo_blobs(base: Base, head: ValueHead | None, batch: PpoBatch, spread: float = 0.4) -> dict[str, Any]:
    """Old log-probabilities some way off, so that ratios lie inside and outside of the clipping range."""
    random = np.random.default_rng(3)
    ids = completions_of(base)
    said = [textbook_outputs(base, row, head, batch.temperature) for row in range(len(ROWS))]
    size = sum(len(row) for row in ids)

    def noisy(part: int, scale: float) -> np.ndarray:
        flat = torch.cat([outputs[part] for outputs in said]).numpy()
        return (flat + scale * random.standard_normal(size)).astype('<f4')

    blobs = pack_ragged('ids', ids, 'i32')
    blobs['old_logprobs'] = noisy(0, spread)
    blobs['advantages'] = random.standard_normal(size).astype('<f4')
    if head is not None:
        blobs['old_values'] = noisy(2, 0.5)
        blobs['returns'] = random.standard_normal(size).astype('<f4')
    if batch.kl_coef > 0:
        blobs['reference_logprobs'] = noisy(0, 0.7)
    return blobs


def textbook_outputs(
    base: Base, row: int, head: ValueHead | None, temperature: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One trajectory by itself, unpadded: log-probabilities, entropies and values of its completion."""
    prompt = base.encode([PROMPTS[ROWS[row]]], special_tokens=True)[0]
    ids = completions_of(base)[row].tolist()
    answer = base.model(torch.tensor([prompt + ids]), output_hidden_states=True)
    places = slice(len(prompt) - 1, -1)
    logprobs = (answer.logits[0, places] / temperature).log_softmax(-1)
    hidden = answer.hidden_states[-1][0, places]
    values = torch.zeros(len(ids)) if head is None else hidden @ head.weight + head.bias
    picked = logprobs.gather(1, torch.tensor(ids)[:, None]).squeeze(1)
    return picked, -(logprobs.exp() * logprobs).sum(-1), values


def textbook(base: Base, head: ValueHead | None, batch: PpoBatch, blobs: dict[str, Any]) -> torch.Tensor:
    """As the papers write it, token by token."""
    said = [textbook_outputs(base, row, head, batch.temperature) for row in range(len(ROWS))]
    new, entropy, values = (torch.cat([outputs[part] for outputs in said]) for part in range(3))
    given = {name: torch.from_numpy(values) for name, values in blobs.items() if values.dtype == np.float32}
    losses = []
    for t in range(len(new)):
        advantage = given['advantages'][t]
        ratio = torch.exp(new[t] - given['old_logprobs'][t])
        surrogate = ratio * advantage
        if ratio < 1 - batch.clip_low:
            surrogate = torch.minimum(surrogate, (1 - batch.clip_low) * advantage)
        elif ratio > 1 + batch.clip_high:
            surrogate = torch.minimum(surrogate, (1 + batch.clip_high) * advantage)
        loss = -surrogate - batch.entropy_coef * entropy[t]
        if batch.kl_coef > 0:
            gap = given['reference_logprobs'][t] - new[t]
            loss = loss + batch.kl_coef * (gap.exp() - gap - 1)
        if batch.value_only:
            loss = torch.zeros(())
        if head is not None:
            error = (values[t] - given['returns'][t]) ** 2
            if batch.value_clip is not None:
                old = given['old_values'][t]
                held = old + torch.clamp(values[t] - old, -batch.value_clip, batch.value_clip)
                error = torch.maximum(error, (held - given['returns'][t]) ** 2)
            loss = loss + batch.value_coef * 0.5 * error
        losses.append(loss)
    return torch.stack(losses).mean()


def ours(
    base: Base, head: ValueHead | None, batch: PpoBatch, blobs: dict[str, Any], budget: int = 10_000
) -> Outcome:
    data = train_ppo.read_rows(base, batch, blobs, head)
    return train_ppo.accumulate(base, data, batch, head, budget, lambda _: None)


def both_gradients(base: Base, head: ValueHead | None) -> dict[str, torch.Tensor]:
    critic = (
        {}
        if head is None
        else {name: p.grad.clone() for name, p in head.named().items() if p.grad is not None}
    )
    return {name: grad for name, grad in (gradients_of(base) | critic).items() if grad.abs().max() > 0}


def clear(base: Base, head: ValueHead | None) -> None:
    base.model.zero_grad()
    if head is not None:
        head.zero_grad()


@pytest.mark.parametrize('critic', [True, False])
@pytest.mark.parametrize('variant', VARIANTS, ids=str)
@pytest.mark.parametrize('budget', [10_000, 60])
def test_loss_and_gradient_are_the_textbooks(
    base: Base, variant: dict[str, Any], critic: bool, budget: int
) -> None:
    if variant.get('value_only') and not critic:
        pytest.skip('there is nothing but the critic to train')
    base.model.requires_grad_(True)
    head = some_head(base) if critic else None
    batch = ppo_batch(**variant)
    blobs = ppo_blobs(base, head, batch)
    outcome = ours(base, head, batch, blobs, budget)
    gradients = both_gradients(base, head)
    clear(base, head)
    loss = textbook(base, head, batch, blobs)
    loss.backward()
    expected = both_gradients(base, head)
    if variant.get('value_only'):
        expected = {name: grad for name, grad in expected.items() if name.startswith('value_head.')}
    assert outcome.loss == pytest.approx(float(loss.detach()), rel=1e-5)
    assert_same(gradients, expected, atol=1e-5, rtol=1e-3)
    if not variant.get('value_only'):
        assert 0 < outcome.metrics['clip_fraction'] < 1


def test_a_model_whose_head_is_not_a_plain_matrix_says_the_same(base: Base) -> None:
    base.model.requires_grad_(True)
    head = some_head(base)
    batch = ppo_batch(entropy_coef=0.3)
    blobs = ppo_blobs(base, head, batch)
    results = []
    for plain in (True, False):
        base.plain_head = plain
        clear(base, head)
        results.append((ours(base, head, batch, blobs).loss, both_gradients(base, head)))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    assert_same(results[0][1], results[1][1], atol=1e-5, rtol=1e-3)


def test_a_session_scores_with_the_kernel_that_trains(base: Base, adapters: Adapters) -> None:
    """Scored, then trained on: every ratio is 1, in whatever micro-batches either runs."""
    adapters.create(lora('p'))
    session = begin(base, adapters, 'p', algorithm='ppo', value_head=True)
    ids = completions_of(base)
    rows = completion_rows(base.encode(PROMPTS, True), ROWS, ids, base.vocab_size)
    scores = session.score(rows, 0.8, 60, RecordingJob())
    flat = {name: np.concatenate(values) for name, values in scores.items()}
    blobs = pack_ragged('ids', ids, 'i32') | {
        'old_logprobs': flat['logprobs'],
        'old_values': flat['values'],
        'advantages': np.ones_like(flat['logprobs']),
        'returns': np.ones_like(flat['logprobs']),
    }
    assert (flat['values'] == 0).all()
    result = take(session, 1, ppo_batch(temperature=0.8), blobs)
    assert result['metrics']['ratio_deviation'] < 1e-4
    assert result['metrics']['entropy'] == pytest.approx(float(flat['entropies'].mean()), rel=1e-4)
    wrong = take(session, 2, ppo_batch(temperature=1.0), blobs)
    assert wrong['metrics']['ratio_deviation'] > 1e-2


def test_beyond_max_kl_the_weights_stay(base: Base, adapters: Adapters) -> None:
    adapters.create(lora('p'))
    session = begin(base, adapters, 'p', algorithm='ppo', value_head=True)
    blobs = ppo_blobs(base, session.value_head, ppo_batch())
    before = session.weights_fingerprint()
    held = take(session, 1, ppo_batch(max_kl=1e-3), blobs)
    assert held['metrics']['approx_kl'] > 1e-3
    assert held['metrics']['applied'] == 0
    assert session.weights_fingerprint() == before
    assert take(session, 2, ppo_batch(max_kl=10.0), blobs)['metrics']['applied'] == 1
    assert session.weights_fingerprint() != before


def test_the_critic_alone_moves_in_its_warm_up(base: Base, adapters: Adapters) -> None:
    adapters.create(lora('p'))
    session = begin(base, adapters, 'p', algorithm='ppo', value_head=True)
    blobs = ppo_blobs(base, session.value_head, ppo_batch())
    before = adapters.weights('p')
    take(session, 1, ppo_batch(value_only=True), blobs)
    assert_same(adapters.weights('p'), before, atol=0, rtol=0)
    assert session.value_head is not None
    assert session.value_head.weight.abs().max() > 0


def test_the_critic_is_saved_with_the_adapter_and_its_checkpoints(
    base: Base, adapters: Adapters, tmp_path: Path
) -> None:
    adapters.create(lora('p'))
    session = begin(base, adapters, 'p', algorithm='ppo', value_head=True)
    blobs = ppo_blobs(base, session.value_head, ppo_batch())
    take(session, 1, ppo_batch(), blobs)
    session.save(str(tmp_path / 'checkpoint'), {})
    adapters.save('p', str(tmp_path / 'adapter'), session.value_head)
    fingerprint = session.weights_fingerprint()
    second = take(session, 2, ppo_batch(), blobs)
    session.load(str(tmp_path / 'checkpoint'))
    assert session.weights_fingerprint() == fingerprint
    assert take(session, 2, ppo_batch(), blobs)['loss'] == second['loss']
    assert (tmp_path / 'adapter' / FILE).is_file()
    adapters.load('q', str(tmp_path / 'adapter'), trainable=True)
    assert begin(base, adapters, 'q', algorithm='ppo', value_head=True).weights_fingerprint() == fingerprint


@pytest.mark.parametrize(
    ('changes', 'drop', 'critic'),
    [
        ({}, 'returns', True),
        ({}, None, False),
        ({'kl_coef': 0.1}, 'reference_logprobs', True),
        ({'value_only': True}, 'critic', False),
        ({}, 'advantages', True),
        ({'max_length': 5}, None, True),
    ],
)
def test_incomplete_batches_are_refused(
    base: Base, changes: dict[str, Any], drop: str | None, critic: bool
) -> None:
    batch = ppo_batch(**changes)
    blobs = ppo_blobs(base, some_head(base), batch)
    for name in ('returns', 'old_values') if drop == 'critic' else [drop]:
        blobs.pop(name or '', None)
    with pytest.raises(WorkerError) as caught:
        train_ppo.read_rows(base, batch, blobs, some_head(base) if critic else None)
    assert caught.value.code == ('prompt_too_long' if batch.max_length == 5 else 'bad_request')


def test_numbers_that_are_not_finite_are_refused(base: Base) -> None:
    blobs = ppo_blobs(base, None, ppo_batch())
    blobs['advantages'][3] = np.nan
    with pytest.raises(WorkerError, match='advantages'):
        train_ppo.read_rows(base, ppo_batch(), blobs, None)


def test_a_first_step_without_advantages_may_leave_the_weights(base: Base, adapters: Adapters) -> None:
    """All answers of a GRPO batch may be wrong; that is no broken optimiser."""
    adapters.create(lora('p'))
    session = begin(base, adapters, 'p', algorithm='ppo')
    blobs = ppo_blobs(base, None, ppo_batch())
    blobs['advantages'][:] = 0
    assert take(session, 1, ppo_batch(), blobs)['grad_norm'] == 0
