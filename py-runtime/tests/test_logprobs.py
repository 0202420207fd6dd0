"""The kernel against the plain computation: values, gradients, padding, slices, precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from elenchus_runtime import logprobs
from elenchus_runtime.layout import pad
from elenchus_runtime.logprobs import has_plain_head, row_sums, target_logprobs
from elenchus_runtime.models import Base
from elenchus_runtime.rows import Row, completion_row

CPU = torch.device('cpu')


def some_rows(vocabulary: int, lengths: list[tuple[int, int]], seed: int = 0) -> list[Row]:
    source = np.random.default_rng(seed)
    return [
        completion_row(
            source.integers(0, vocabulary, size=p).tolist(),
            source.integers(0, vocabulary, size=c).astype('<i4'),
        )
        for p, c in lengths
    ]


def plainly(model: Any, row: Row, temperature: float = 1.0) -> torch.Tensor:
    """One row alone, full logits, fp64 softmax."""
    logits = model(torch.from_numpy(row.ids)[None]).logits[0, :-1].double() / temperature
    wanted = torch.from_numpy(row.ids[1:])
    every = logits.log_softmax(-1).gather(1, wanted[:, None])[:, 0]
    return every[torch.from_numpy(row.targets[1:])]


LENGTHS = [(5, 9), (30, 1), (1, 20), (12, 12)]


@pytest.mark.parametrize('temperature', [1.0, 0.6])
@pytest.mark.parametrize('slice_elements', [1 << 24, 1])
def test_values_are_those_of_each_row_alone(
    base: Base, monkeypatch: pytest.MonkeyPatch, temperature: float, slice_elements: int
) -> None:
    monkeypatch.setattr(logprobs, 'CPU_SLICE_ELEMENTS', slice_elements)
    rows = some_rows(base.vocab_size, LENGTHS)
    with torch.no_grad():
        values = target_logprobs(base.model, True, pad(rows, CPU), temperature)
        expected = torch.cat([plainly(base.model, row, temperature) for row in rows])
    assert values.dtype == torch.float32
    torch.testing.assert_close(values.double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('slice_elements', [1 << 24, 1])
@pytest.mark.parametrize('plain_head', [True, False])
def test_gradients_are_those_of_autograd(
    base: Base, monkeypatch: pytest.MonkeyPatch, plain_head: bool, slice_elements: int
) -> None:
    """With tied embeddings, so the output weight's gradient counts too."""
    monkeypatch.setattr(logprobs, 'CPU_SLICE_ELEMENTS', slice_elements)
    rows = some_rows(base.vocab_size, LENGTHS)
    base.model.requires_grad_(True)
    factors = torch.linspace(-1, 2, sum(row.num_targets for row in rows))

    (target_logprobs(base.model, plain_head, pad(rows, CPU), 0.7) * factors).sum().backward()
    ours = {name: p.grad.clone() for name, p in base.model.named_parameters()}
    base.model.zero_grad()
    (torch.cat([plainly(base.model, row, 0.7) for row in rows]) * factors).sum().backward()
    for name, parameter in base.model.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, atol=1e-4, rtol=1e-4, msg=name)


def test_logits_are_made_a_few_positions_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logprobs, 'CPU_SLICE_ELEMENTS', 1000)
    hidden, weight = torch.randn(7, 3), torch.randn(400, 3)
    parts = [(part, logits.clone()) for part, logits in logprobs._logits(hidden, weight, 0.5)]
    assert [(part.start, part.stop) for part, _ in parts] == [(0, 2), (2, 4), (4, 6), (6, 7)]
    torch.testing.assert_close(torch.cat([logits for _, logits in parts]), hidden @ weight.T / 0.5)


@pytest.mark.parametrize('trained', [True, False])
@pytest.mark.parametrize('slice_elements', [1 << 24, 1])
def test_the_head_is_that_of_double_precision(
    monkeypatch: pytest.MonkeyPatch, trained: bool, slice_elements: int
) -> None:
    """Values, entropies and both gradients, also where a token is all but certain or all but impossible."""
    monkeypatch.setattr(logprobs, 'CPU_SLICE_ELEMENTS', slice_elements)
    source = torch.Generator().manual_seed(0)
    hidden = (2 * torch.randn(9, 8, generator=source)).requires_grad_(True)
    weight = (1.5 * torch.randn(50, 8, generator=source)).requires_grad_(trained)
    targets = (hidden @ weight.T).argmax(1)
    targets[::2] = (hidden @ weight.T).argmin(1)[::2]
    factors = torch.linspace(-1, 2, 9)
    values, entropies = logprobs.hidden_logprobs_and_entropies(hidden, weight, targets, 0.7)
    (values * factors).sum().backward()

    wide, table = hidden.detach().double().requires_grad_(True), weight.detach().double().requires_grad_(True)
    every = (wide @ table.T / 0.7).log_softmax(1)
    picked = every.gather(1, targets[:, None]).squeeze(1)
    (picked * factors.double()).sum().backward()
    torch.testing.assert_close(values.double(), picked, atol=1e-5, rtol=1e-6)
    torch.testing.assert_close(entropies.double(), -(every.exp() * every).sum(1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(hidden.grad.double(), wide.grad, atol=2e-5, rtol=1e-5)
    if trained:
        torch.testing.assert_close(weight.grad.double(), table.grad, atol=2e-5, rtol=1e-5)
    assert torch.equal(logprobs.hidden_logprobs(hidden, weight, targets, 0.7), values)


@pytest.mark.parametrize('entropies', [True, False])
@pytest.mark.parametrize(('slice_elements', 'products'), [(1 << 24, 1), (150, 5)])
def test_of_a_trained_head_the_last_slice_is_made_once(
    monkeypatch: pytest.MonkeyPatch, slice_elements: int, products: int, entropies: bool
) -> None:
    monkeypatch.setattr(logprobs, 'CPU_SLICE_ELEMENTS', slice_elements)
    sizes: list[int] = []
    made = logprobs.wide_logits

    def counted(*args: Any, **kwargs: Any) -> torch.Tensor:
        sizes.append(len(args[0]))
        return made(*args, **kwargs)

    monkeypatch.setattr(logprobs, 'wide_logits', counted)
    source = torch.Generator().manual_seed(0)
    hidden = torch.randn(9, 8, generator=source).requires_grad_(True)
    weight = torch.randn(50, 8, generator=source).requires_grad_(True)
    targets = torch.arange(9)

    def both() -> torch.Tensor:
        of = logprobs.hidden_logprobs_and_entropies
        if entropies:
            return of(hidden, weight, targets, 0.7)[0].sum()
        return logprobs.hidden_logprobs(hidden, weight, targets, 0.7).sum()

    loss = both()
    first = torch.autograd.grad(loss, [hidden, weight], retain_graph=True)
    assert len(sizes) == products
    # What was kept is used up; then, and where another pass came between, all is made again.
    again = torch.autograd.grad(loss, [hidden, weight])
    one, two = both(), both()
    sizes.clear()
    late = torch.autograd.grad(one, [hidden, weight])
    assert sum(sizes) == 9
    newest = torch.autograd.grad(two, [hidden, weight])
    for other in (again, late, newest):
        for mine, its in zip(first, other, strict=True):
            torch.testing.assert_close(mine, its, atol=1e-6, rtol=1e-5)
    kept = logprobs._KeptSlice._latest
    del one, two, loss
    assert kept is not None
    assert kept() is None


def test_what_stands_in_the_padding_does_not_matter(base: Base) -> None:
    rows = some_rows(base.vocab_size, LENGTHS)
    batch = pad(rows, CPU)
    for index, row in enumerate(rows):
        batch.inputs['input_ids'][index, len(row.ids) - 1 :] = 7
    with torch.no_grad():
        first = target_logprobs(base.model, True, pad(rows, CPU))
        assert torch.equal(target_logprobs(base.model, True, batch), first)


def test_an_end_of_sequence_that_is_also_the_padding_still_counts(base: Base) -> None:
    row = completion_row([5, 6], np.asarray([8, 0, 0], dtype='<i4'))
    with torch.no_grad():
        values = target_logprobs(base.model, True, pad([row, *some_rows(base.vocab_size, [(9, 9)])], CPU))
    assert len(values) == 3 + 9
    torch.testing.assert_close(values[:3].double(), plainly(base.model, row).detach(), atol=1e-5, rtol=1e-5)


def test_row_sums_are_double_and_belong_to_their_rows(base: Base) -> None:
    rows = some_rows(base.vocab_size, LENGTHS)
    batch = pad(rows, CPU)
    with torch.no_grad():
        values = target_logprobs(base.model, True, batch)
    sums = row_sums(values, batch)
    assert sums.dtype == torch.float64
    parts = values.double().split([row.num_targets for row in rows])
    torch.testing.assert_close(sums, torch.stack([part.sum() for part in parts]))


def test_a_head_that_does_more_is_recognised(base: Base) -> None:
    assert has_plain_head(base.model)
    weight = base.model.get_output_embeddings().weight
    base.model.lm_head = torch.nn.Linear(*reversed(weight.shape), bias=True)
    assert not has_plain_head(base.model)


def test_bfloat16_models_are_summed_in_single_precision(base: Base) -> None:
    rows = some_rows(base.vocab_size, LENGTHS)
    base.model.to(torch.bfloat16)
    with torch.no_grad():
        values = target_logprobs(base.model, True, pad(rows, CPU))
    assert values.dtype == torch.float32
    assert values.isfinite().all()
