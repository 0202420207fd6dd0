"""Shared contexts against rows side by side: the same numbers, the same gradients, fewer tokens."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import lora, make_tokenizer
from families import NATIVE, OTHERS, write_family

from elenchus_runtime import training_forward
from elenchus_runtime.adapters import Adapters
from elenchus_runtime.branch_attention import counted_calls
from elenchus_runtime.layout import groups, pad, padded_batches, share, shared_batches, tokens_read
from elenchus_runtime.logprobs import row_sums, target_logprobs
from elenchus_runtime.models import Base, load_base
from elenchus_runtime.protocol import ModelLoad
from elenchus_runtime.rows import Row, completion_row
from elenchus_runtime.sharing import cannot_share

CPU = torch.device('cpu')


def row(context: list[int], completion: list[int]) -> Row:
    return completion_row(context, np.asarray(completion, dtype='<i4'))


def questions(vocab: int, shapes: list[tuple[int, list[int]]], seed: int = 0) -> list[Row]:
    """Per shape a context of that length and completions of those; rows of all questions mixed."""
    source = np.random.default_rng(seed)
    rows = [
        row(context, source.integers(0, vocab, size=length).tolist())
        for size, lengths in shapes
        for context in [source.integers(0, vocab, size=size).tolist()]
        for length in lengths
    ]
    source.shuffle(rows)  # type: ignore[arg-type]
    return rows


RAGGED = [(9, [5, 1, 12, 12, 3]), (1, [7, 2]), (20, [4]), (3, [1]), (6, [1, 1])]


# Which rows go together


def some_rows(source: random.Random) -> list[Row]:
    return [
        row([question, *range(question % 5)], list(range(source.randrange(1, 40))))
        for question in (source.randrange(6) for _ in range(source.randrange(0, 30)))
    ]


def test_batches_keep_every_row_once_and_stay_within_the_budget() -> None:
    source = random.Random(0)
    for _ in range(200):
        rows, budget = some_rows(source), source.randrange(1, 200)
        everything = list(range(len(rows)))
        padded, shared = padded_batches(rows, budget), shared_batches(rows, budget)
        for batches in (padded, shared):
            assert sorted(index for batch in batches for index in batch) == everything
        for batch in padded:
            assert len(batch) == 1 or len(batch) * max(len(rows[index].ids) for index in batch) <= budget
        for batch in shared:
            assert len(batch) == 1 or tokens_read(rows, [batch]) <= budget


def test_questions_stay_whole_where_they_fit() -> None:
    source = random.Random(1)
    for _ in range(200):
        rows, budget = some_rows(source), source.randrange(1, 200)
        batches = shared_batches(rows, budget)
        for members in groups(rows):
            if tokens_read(rows, [members]) <= budget:
                assert sum(members[0] in batch for batch in batches) == 1
                assert any(set(members) <= set(batch) for batch in batches)


def test_tokens_are_counted_as_they_are_read() -> None:
    source = random.Random(2)
    for _ in range(50):
        rows = some_rows(source)
        for batch in shared_batches(rows, 100):
            assert share([rows[index] for index in batch], CPU).num_tokens == tokens_read(rows, [batch])


# How they lie


def test_a_context_is_read_once() -> None:
    layout = share([row([1, 2], [3, 4]), row([9], [8]), row([1, 2], [5, 6, 7])], CPU)
    assert layout.inputs['input_ids'].tolist() == [[1, 2, 3, 5, 6, 9]]
    assert layout.inputs['position_ids'].tolist() == [[0, 1, 2, 2, 3, 0]]
    assert layout.wanted.tolist() == [3, 4, 8, 5, 6, 7]
    # The end of the context predicts the first token of both its completions.
    assert layout.predictors.tolist() == [1, 2, 5, 1, 3, 4]
    assert layout.owners.tolist() == [0, 0, 1, 2, 2, 2]


def test_padding_is_no_target_whatever_its_id() -> None:
    layout = pad([row([1, 2], [0]), row([4], [5, 6, 7])], CPU)
    assert layout.inputs['input_ids'].tolist() == [[1, 2, 0], [4, 5, 6]]
    assert layout.wanted.tolist() == [0, 5, 6, 7]
    assert layout.predictors.tolist() == [1, 3, 4, 5]
    assert layout.owners.tolist() == [0, 1, 1, 1]


def test_targets_in_the_middle_share_what_comes_before_them() -> None:
    """Given masks (`lm_ids`) may leave holes; only what precedes the first target is common."""
    ids, targets = np.arange(6), np.asarray([False, False, True, False, True, False])
    other = Row(np.asarray([0, 1, 5, 5]), np.asarray([False, False, False, True]))
    layout = share([Row(ids, targets), other], CPU)
    assert layout.inputs['input_ids'].tolist() == [[0, 1, 2, 3, 4, 0, 1, 5]]
    assert (layout.wanted.tolist(), layout.predictors.tolist()) == ([2, 4, 5], [1, 3, 7])


# What comes out


def evaluate(model: Any, layout: Any, factors: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Log-probabilities and the gradient of their weighted sum."""
    model.zero_grad()
    values = target_logprobs(model, True, layout, 0.8)
    (values * factors).sum().backward()
    return values.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_same_answers(model: Any, rows: list[Row], tolerance: float = 1e-5) -> None:
    factors = torch.linspace(-1, 2, sum(row.num_targets for row in rows))
    values, gradients = evaluate(model, pad(rows, CPU), factors)
    with counted_calls() as calls:
        shared_values, shared_gradients = evaluate(model, share(rows, CPU), factors)
    assert calls.count >= model.config.num_hidden_layers
    torch.testing.assert_close(shared_values, values, atol=tolerance, rtol=tolerance)
    assert set(gradients) == set(shared_gradients)
    size = max(float(gradient.abs().max()) for gradient in gradients.values())
    for name, gradient in gradients.items():
        torch.testing.assert_close(
            shared_gradients[name], gradient, atol=tolerance * max(1.0, size), rtol=1e-4, msg=name
        )


@pytest.mark.parametrize('family', NATIVE)
def test_sharing_changes_no_number_in_any_family(tmp_path: Path, family: str) -> None:
    """Whole weights; and an adapter, with gradient checkpointing."""
    path = write_family(family, make_tokenizer(tmp_path), tmp_path)
    base = load_base(ModelLoad(model=str(path)), CPU)
    assert base.rows_apart is None
    base.model.requires_grad_(True).train()
    rows = questions(base.vocab_size, RAGGED)
    assert_same_answers(base.model, rows)

    adapters = Adapters(base)
    adapters.create(lora('p'))
    with torch.no_grad():
        for parameter in adapters.train('p').values():
            parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    base.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={'use_reentrant': False})
    adapters.train('p')
    assert_same_answers(base.model, rows)


@pytest.mark.parametrize(
    'shapes',
    [[(4, [1])], [(4, [1, 1, 1])], [(1, [1])], [(30, [2, 2])], [(1, [9, 9])], [(2, [3])] * 4, RAGGED * 2],
    ids=str,
)
def test_edge_cases_change_no_number(base: Base, shapes: list[tuple[int, list[int]]]) -> None:
    base.model.requires_grad_(True)
    assert_same_answers(base.model, questions(base.vocab_size, shapes, seed=3))


def test_branches_do_not_see_each_other(base: Base) -> None:
    rows = [row([1, 2, 3], [4, 5, 6]), row([1, 2, 3], [7, 8]), row([9], [4, 5])]
    other = [rows[0], row([1, 2, 3], [11, 12]), row([13], [14, 15])]
    with torch.no_grad():
        first = target_logprobs(base.model, True, share(rows, CPU))
        second = target_logprobs(base.model, True, share(other, CPU))
    assert torch.equal(first[:3], second[:3])
    assert (first[3:] != second[3:]).all()


def test_sums_belong_to_their_rows(base: Base) -> None:
    rows = questions(base.vocab_size, RAGGED)
    with torch.no_grad():
        sums = {
            arrange: row_sums(target_logprobs(base.model, True, arrange(rows, CPU)), arrange(rows, CPU))
            for arrange in (pad, share)
        }
    torch.testing.assert_close(sums[share], sums[pad], atol=1e-4, rtol=1e-5)


# For whom


@pytest.mark.parametrize('family', OTHERS)
def test_other_families_are_tried_out(tmp_path: Path, family: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_family(family, make_tokenizer(tmp_path), tmp_path)
    base = load_base(ModelLoad(model=str(path)), CPU)
    said = capfd.readouterr().err
    if family == 'gpt2':
        assert base.rows_apart is None
        base.model.requires_grad_(True)
        assert_same_answers(base.model, questions(base.vocab_size, RAGGED))
    else:
        assert base.rows_apart is not None
        assert base.rows_apart in said
        rows = questions(base.vocab_size, RAGGED)
        assert 'branches' not in base.lay_out(rows).inputs
    assert base.facts()['rows_apart'] == base.rows_apart


def test_a_model_that_does_not_use_the_attention_is_found_out(base: Base) -> None:
    assert cannot_share(base.model, True) is None
    base.model.config._attn_implementation = 'eager'
    assert 'an attention of its own' in (cannot_share(base.model, True) or '')


def test_a_model_that_answers_differently_is_found_out(base: Base) -> None:
    hook = base.model.model.layers[0].register_forward_pre_hook(
        lambda _, args, kwargs: ((args[0] + torch.arange(args[0].shape[1])[None, :, None],), kwargs),
        with_kwargs=True,
    )
    assert 'answers differently' in (cannot_share(base.model, True) or '')
    hook.remove()


def test_half_precision_models_share_too(base: Base) -> None:
    base.model.to(torch.bfloat16)
    assert cannot_share(base.model, True) is None


def test_adapters_of_half_precision_models_are_multiplied_in_half_precision(base: Base) -> None:
    """By PEFT too; and their gradients are fp32, and those of fp32 arithmetic up to bf16's rounding."""
    base.model.to(torch.bfloat16)
    adapters = Adapters(base)
    adapters.create(lora('p'))
    parameters = adapters.train('p')
    training_forward.remove(base.model)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    rows = questions(base.vocab_size, RAGGED)
    seen: set[torch.dtype] = set()
    hooks = [
        module.register_forward_pre_hook(lambda _, args: seen.add(args[0].dtype))
        for name, module in base.model.named_modules()
        if name.endswith('lora_A.p')
    ]
    factors = torch.linspace(-1, 2, sum(row.num_targets for row in rows))
    values, gradients = evaluate(base.model, share(rows, CPU), factors)
    assert seen == {torch.bfloat16}
    for hook in hooks:
        hook.remove()
    adapters.use('p')
    model = base.model.float()
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    wide_values, wide_gradients = evaluate(model, share(rows, CPU), factors)
    assert float((values - wide_values).abs().mean()) < 0.05 * float(wide_values.abs().mean())
    for name, gradient in gradients.items():
        assert gradient.dtype == torch.float32
        wide = wide_gradients[name]
        assert float((gradient - wide).norm()) < 0.25 * float(wide.norm()), name
