"""The pair graph against the textbook (every pair by itself) and against TRL, loss and gradient, in fp32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import lora
from training import COMPLETIONS, PAIRS, PROMPTS, ROWS, assert_same, dpo_batch, dpo_blobs, gradients_of

from elenchus_runtime import train_dpo
from elenchus_runtime.adapters import Adapters
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.models import Base
from elenchus_runtime.outcome import Outcome
from elenchus_runtime.protocol import DpoBatch

VARIANTS = [
    {'loss': 'sigmoid'},
    {'loss': 'sigmoid', 'label_smoothing': 0.2},
    {'loss': 'sigmoid', 'nll_coef': 0.7},
    {'loss': 'sigmoid', 'length_normalised': True, 'beta': 5.0},
    {'loss': 'ipo'},
    {'loss': 'ipo', 'length_normalised': True},
    {'loss': 'hinge'},
    {'loss': 'robust', 'label_smoothing': 0.1},
    {'loss': 'sigmoid', 'weights': [1.0, 0.5, 0.0, 2.0]},
]


def ours(base: Base, batch: DpoBatch, blobs: dict[str, np.ndarray], budget: int = 10_000) -> Outcome:
    base.model.zero_grad()
    return train_dpo.accumulate(base, train_dpo.read_graph(base, batch, blobs), batch, budget, lambda _: None)


def sequence_logprob(base: Base, prompt: str, ids: list[int]) -> torch.Tensor:
    context = base.encode([prompt], special_tokens=True)[0]
    logits = base.model(torch.tensor([context + ids])).logits[0, len(context) - 1 : -1]
    return logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None]).sum()


def textbook(base: Base, batch: DpoBatch, reference: np.ndarray) -> torch.Tensor:
    """Each pair by itself, as the papers write it: two forward passes per pair, nothing shared."""
    completions = base.encode(COMPLETIONS, special_tokens=False)
    losses = []
    for place, (chosen, rejected) in enumerate(batch.pairs):
        sides = {}
        for name, index in (('w', chosen), ('l', rejected)):
            logprob = sequence_logprob(base, PROMPTS[ROWS[index]], completions[index])
            length = len(completions[index])
            scale = length if batch.length_normalised else 1
            sides[name] = (logprob / scale - reference[index] / scale, logprob / length)
        margin = sides['w'][0] - sides['l'][0]
        beta, smoothing = batch.beta, batch.label_smoothing
        if batch.loss == 'ipo':
            loss = (margin - 1 / (2 * beta)) ** 2
        elif batch.loss == 'hinge':
            loss = torch.clamp(1 - beta * margin, min=0)
        else:
            right, wrong = F.softplus(-beta * margin), F.softplus(beta * margin)
            loss = (1 - smoothing) * right + smoothing * wrong
            if batch.loss == 'robust':
                loss = ((1 - smoothing) * right - smoothing * wrong) / (1 - 2 * smoothing)
        loss = loss - batch.nll_coef * sides['w'][1]
        losses.append((batch.weights[place] if batch.weights else 1.0) * loss)
    return torch.stack(losses).mean()


@pytest.mark.parametrize('variant', VARIANTS, ids=str)
@pytest.mark.parametrize(('budget', 'forward'), [(10_000, 4096), (10_000, 40), (40, 4096), (12, 4096)])
def test_loss_and_gradient_are_the_textbooks(
    base: Base, monkeypatch: pytest.MonkeyPatch, variant: dict[str, Any], budget: int, forward: int
) -> None:
    """In one forward pass, in several whose graphs are kept, and in two passes over micro-batches: first
    whole questions, then questions that are split."""
    monkeypatch.setattr('elenchus_runtime.layout.CPU_FORWARD_TOKENS', forward)
    base.model.requires_grad_(True)
    batch, blobs = dpo_batch(**variant), dpo_blobs(base)
    outcome = ours(base, batch, blobs, budget)
    gradients = gradients_of(base)
    base.model.zero_grad()
    loss = textbook(base, batch, blobs['reference_sums'])
    loss.backward()
    expected = gradients_of(base)
    assert outcome.loss == pytest.approx(float(loss.detach()), rel=1e-5, abs=1e-5)
    # Relative to the whole gradient: with large losses (ipo) single entries are large too.
    size = max(float(gradient.abs().max()) for gradient in expected.values())
    assert_same(gradients, expected, atol=1e-5 * max(1.0, size), rtol=1e-4)


def test_micro_batches_and_adapters_change_nothing(base: Base, adapters: Adapters) -> None:
    adapters.create(lora('p'))
    with torch.no_grad():
        for parameter in adapters.train('p').values():
            parameter.normal_(std=0.05, generator=torch.Generator().manual_seed(1))
    batch, blobs = dpo_batch(), dpo_blobs(base)
    results = []
    for budget in (10_000, 40, 1):
        outcome = ours(base, batch, blobs, budget)
        results.append((outcome, gradients_of(base)))
    assert all('.lora_' in name for name in results[0][1])
    for outcome, gradients in results[1:]:
        assert outcome.loss == pytest.approx(results[0][0].loss, abs=1e-6)
        assert_same(gradients, results[0][1], atol=1e-5, rtol=1e-4)


def test_every_token_goes_through_the_model_once_per_pass(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pairs a trajectory is in, and however many trajectories its prompt has."""
    base.model.requires_grad_(True)
    read: list[int] = []
    hook = base.model.model.register_forward_pre_hook(
        lambda _, __, kwargs: read.append(kwargs['input_ids'].numel()), with_kwargs=True
    )
    everything = [(a, b) for a in range(4) for b in range(4) if a != b]
    # Nothing is predicted by the last token of a completion.
    prompts = sum(len(ids) for ids in base.encode(PROMPTS, special_tokens=True))
    distinct = prompts + sum(len(ids) - 1 for ids in base.encode(COMPLETIONS, special_tokens=False))
    ours(base, dpo_batch(pairs=everything), dpo_blobs(base))
    assert read == [distinct]
    read.clear()
    with monkeypatch.context() as patch:
        # Several forward passes whose graphs are kept are still one pass over the trajectories.
        patch.setattr('elenchus_runtime.layout.CPU_FORWARD_TOKENS', 40)
        ours(base, dpo_batch(pairs=everything), dpo_blobs(base))
    assert sum(read) == distinct
    assert len(read) == 2
    read.clear()
    ours(base, dpo_batch(pairs=everything), dpo_blobs(base), budget=40)
    assert sum(read) == 2 * distinct
    hook.remove()


LOSSES: list[dict[str, Any]] = [
    {},
    {'loss': 'ipo', 'length_normalised': True},
    {'loss': 'hinge'},
    {'loss': 'robust', 'label_smoothing': 0.2},
    {'nll_coef': 0.5, 'weights': [1.0, 0.5, 2.0]},
]


@pytest.mark.parametrize('changes', LOSSES)
def test_whole_questions_need_one_pass_whatever_the_budget(base: Base, changes: dict[str, Any]) -> None:
    """Pairs within micro-batches: each is done with before the next one is read."""
    base.model.requires_grad_(True)
    batch = dpo_batch(pairs=[(0, 1), (1, 0), (2, 3)], **changes)
    blobs = dpo_blobs(base)
    whole = ours(base, batch, blobs)
    expected = gradients_of(base)
    order: list[str] = []
    read: list[int] = []

    def before(_: Any, __: Any, kwargs: Any) -> None:
        order.append('forward')
        read.append(kwargs['input_ids'].numel())

    hook = base.model.model.register_forward_pre_hook(before, with_kwargs=True)
    weight = next(base.model.parameters())
    slope = weight.register_hook(lambda _: order.append('backward'))
    parts = ours(base, batch, blobs, budget=40)
    hook.remove()
    slope.remove()
    prompts = sum(len(ids) for ids in base.encode(PROMPTS, special_tokens=True))
    assert sum(read) == prompts + sum(len(ids) - 1 for ids in base.encode(COMPLETIONS, False))
    assert len(read) == 2
    assert [step for step, previous in zip(order, [None, *order], strict=False) if step != previous] == [
        'forward',
        'backward',
    ] * 2
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6, abs=1e-6)
    assert parts.metrics == pytest.approx(whole.metrics, rel=1e-5, abs=1e-5)
    size = max(float(gradient.abs().max()) for gradient in expected.values())
    assert_same(gradients_of(base), expected, atol=1e-5 * max(1.0, size), rtol=1e-4)


def test_against_its_own_reference_the_loss_is_ln_2(base: Base) -> None:
    base.model.requires_grad_(True)
    completions = base.encode(COMPLETIONS, special_tokens=False)
    with torch.no_grad():
        sums = [
            float(sequence_logprob(base, PROMPTS[row], ids))
            for row, ids in zip(ROWS, completions, strict=True)
        ]
    outcome = ours(base, dpo_batch(), dpo_blobs(base, sums))
    assert outcome.loss == pytest.approx(np.log(2), abs=1e-5)
    assert outcome.metrics['reference_gap'] < 1e-3


def test_metrics_are_what_they_are_called(base: Base) -> None:
    base.model.requires_grad_(True)
    batch, blobs = dpo_batch(), dpo_blobs(base)
    metrics = ours(base, batch, blobs).metrics
    completions = base.encode(COMPLETIONS, special_tokens=False)
    with torch.no_grad():
        sums = np.asarray(
            [float(sequence_logprob(base, PROMPTS[r], ids)) for r, ids in zip(ROWS, completions, strict=True)]
        )
    chosen, rejected = np.asarray(PAIRS).T
    ratio = sums - blobs['reference_sums']
    margin = 0.3 * (ratio[chosen] - ratio[rejected])
    lengths = np.asarray([len(ids) for ids in completions])
    expected = {
        'accuracy': (margin > 0).mean(),
        'margin': margin.mean(),
        'chosen_reward': 0.3 * ratio[chosen].mean(),
        'rejected_reward': 0.3 * ratio[rejected].mean(),
        'chosen_logp': sums[chosen].mean(),
        'rejected_logp': sums[rejected].mean(),
        'nll': -(sums / lengths)[chosen].mean(),
        'reference_gap': np.abs(ratio).max(),
        'reference_gap_per_token': np.mean([(np.abs(ratio) / lengths)[side] for side in (chosen, rejected)]),
    }
    assert metrics == pytest.approx(expected, rel=1e-4)


SAME_PROMPT = [(0, 1), (2, 3), (1, 0)]


@pytest.mark.parametrize(
    ('theirs', 'changes'),
    [
        (['sigmoid'], {}),
        (['sigmoid_norm'], {'length_normalised': True}),
        (['hinge'], {'loss': 'hinge'}),
        (['robust'], {'loss': 'robust', 'label_smoothing': 0.1}),
        (['ipo'], {'loss': 'ipo', 'length_normalised': True}),
        # TRL's mean is over the chosen tokens of a batch and ours over pairs: the same where there is one.
        (['sigmoid', 'sft'], {'nll_coef': 0.5, 'pairs': SAME_PROMPT[1:2]}),
    ],
    ids=str,
)
def test_loss_and_gradient_are_those_of_trl(
    base: Base, tiny_folder: Path, tmp_path: Path, theirs: list[str], changes: dict[str, Any]
) -> None:
    """TRL's trainer on the same ids: policy moved away from the reference, whole weights, fp32.

    It has no smoothing in its sigmoid loss, no ipo of whole sequences, and no weights.
    """
    trl = pytest.importorskip('trl')
    datasets = pytest.importorskip('datasets')
    from transformers import AutoModelForCausalLM

    reference = AutoModelForCausalLM.from_pretrained(tiny_folder)
    with torch.no_grad():
        for parameter in base.model.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
    base.model.requires_grad_(True)
    trainer = trl.DPOTrainer(
        model=base.model,
        ref_model=reference,
        args=trl.DPOConfig(
            output_dir=str(tmp_path),
            beta=0.3,
            loss_type=theirs,
            loss_weights=[1.0, changes['nll_coef']] if 'nll_coef' in changes else None,
            label_smoothing=changes.get('label_smoothing', 0.0),
            use_cpu=True,
            bf16=False,
            report_to='none',
            gradient_checkpointing=False,
            max_length=None,
        ),
        train_dataset=datasets.Dataset.from_list([{'prompt': 'a', 'chosen': 'b', 'rejected': 'c'}]),
        processing_class=base.tokenizer,
    )
    completions = base.encode(COMPLETIONS, special_tokens=False)
    prompts = base.encode(PROMPTS, special_tokens=True)
    batch = dpo_batch(**{'pairs': SAME_PROMPT} | changes)
    examples = [
        {
            'prompt_ids': prompts[ROWS[chosen]],
            'chosen_ids': completions[chosen],
            'rejected_ids': completions[rejected],
        }
        for chosen, rejected in batch.pairs
    ]
    base.model.zero_grad()
    base.model.train()
    loss = trainer.compute_loss(base.model, trainer.data_collator(examples))
    loss.backward()
    expected = gradients_of(base)

    policy, base.model = base.model, reference
    with torch.no_grad():
        sums = [
            float(sequence_logprob(base, PROMPTS[r], ids)) for r, ids in zip(ROWS, completions, strict=True)
        ]
    base.model = policy
    outcome = ours(base, batch, dpo_blobs(base, sums))
    assert outcome.loss == pytest.approx(float(loss.detach()), rel=1e-5, abs=1e-5)
    size = max(float(gradient.abs().max()) for gradient in expected.values())
    assert_same(gradients_of(base), expected, atol=1e-5 * max(1.0, size), rtol=1e-4)


@pytest.mark.parametrize(
    ('changes', 'blobs', 'code'),
    [
        ({'pairs': []}, {}, 'bad_request'),
        ({'pairs': [(0, 4)]}, {}, 'bad_request'),
        ({'pairs': [(1, 1)]}, {}, 'bad_request'),
        ({'weights': [1.0]}, {}, 'bad_request'),
        ({'beta': 0.0}, {}, 'bad_request'),
        ({'label_smoothing': 0.5}, {}, 'bad_request'),
        ({'max_length': 5}, {}, 'prompt_too_long'),
        ({}, {'reference_sums': np.zeros(3)}, 'bad_request'),
        ({}, {'reference_sums': np.asarray([0, 0, 0, np.nan])}, 'bad_request'),
        ({'rows': [0, 0, 1, 2]}, {}, 'bad_request'),
    ],
    ids=str,
)
def test_batches_that_mean_nothing_are_refused(
    base: Base, changes: dict[str, Any], blobs: dict[str, np.ndarray], code: str
) -> None:
    with pytest.raises(WorkerError) as caught:
        ours(base, dpo_batch(**changes), dpo_blobs(base) | blobs)
    assert caught.value.code == code
