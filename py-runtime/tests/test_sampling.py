"""What is sampled is what is reported, and random numbers depend on seed and position only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from elenchus_runtime.sampling import BLOCK, NUCLEUS, draw, logprobs_of, uniforms

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0, -9.0]])


def logprobs(logits: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """Of every token, one row."""
    width = logits.shape[1]
    rows = logits.expand(width, -1)
    return logprobs_of(torch.arange(width), rows, temperature, top_p)


def numbers(count: int) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([uniforms(seed, 50) for seed in range(-(-count // 50))])[:count])


def test_uniforms_never_change() -> None:
    """Golden numbers: a recorded seed must give the same text in every later version."""
    np.testing.assert_array_equal(uniforms(0, 2), uniforms(0, 5)[:2])
    assert uniforms(7, 3).tolist() == [0.8720734548204871, 0.29536538151378355, 0.4200976785072421]
    assert uniforms(0xFFFF_FFFF, 1)[0] != uniforms(0, 1)[0]


def test_uniforms_fill_the_unit_interval_evenly() -> None:
    numbers = np.concatenate([uniforms(seed, 100) for seed in range(200)])
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=20, range=(0, 1))
    # Chi-square with 19 degrees of freedom: 43.8 is the 99.9 % point.
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8


@pytest.mark.parametrize('top_p', [1.0, 0.9])
def test_frequencies_are_the_probabilities(top_p: float) -> None:
    uniform = numbers(50_000)
    tokens, picked = draw(LOGITS.expand(len(uniform), -1), 1.5, top_p, uniform)
    expected = logprobs(LOGITS, 1.5, top_p)
    found = torch.bincount(tokens, minlength=5) / len(uniform)
    torch.testing.assert_close(found, expected.exp(), atol=0.006, rtol=0)
    torch.testing.assert_close(picked, expected[tokens])


@pytest.mark.parametrize('width', [1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK, 1000])
def test_inversion_over_blocks_is_inversion(width: int) -> None:
    """The same token as the plain cumulative distribution gives, for every width."""
    rows = 400
    logits = torch.randn(rows, width, generator=torch.Generator().manual_seed(width)) * 3
    uniform = numbers(rows)
    tokens, picked = draw(logits, 1.0, 1.0, uniform)
    weights = (logits - logits.amax(dim=-1, keepdim=True)).exp().double()
    cumulative = weights.cumsum(dim=-1)
    plain = torch.searchsorted(cumulative, uniform[:, None] * cumulative[:, -1:], right=True).squeeze(1)
    torch.testing.assert_close(tokens, plain)
    torch.testing.assert_close(picked, logprobs_of(tokens, logits, 1.0, 1.0))


def test_temperature_divides_logits() -> None:
    torch.testing.assert_close(logprobs(LOGITS, 2.0, 1.0), (LOGITS / 2).log_softmax(-1)[0])


@pytest.mark.parametrize(
    ('top_p', 'kept'), [(0.01, 1), (0.64, 1), (0.65, 2), (0.8, 2), (0.9, 3), (0.99999, 5)]
)
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p: float, kept: int) -> None:
    found = logprobs(LOGITS, 1.0, top_p)
    assert int(found.isfinite().sum()) == kept
    torch.testing.assert_close(found[:kept], LOGITS[0, :kept].log_softmax(-1))
    assert found.exp().sum().item() == pytest.approx(1)


@pytest.mark.parametrize('scale', [0.0, 5.0])
def test_top_p_of_a_large_vocabulary_is_exact_whether_all_is_sorted_or_not(scale: float) -> None:
    """Flat distributions need more than the first `NUCLEUS` tokens, steep ones fewer."""
    width = 4 * NUCLEUS
    logits = torch.randn(1, width, generator=torch.Generator().manual_seed(0)) * scale
    logits += torch.linspace(0, 1e-3, width)
    found = logprobs(logits, 1.0, 0.9)
    ordered, order = logits.softmax(-1)[0].sort(descending=True)
    kept = order[ordered.cumsum(0) - ordered < 0.9]
    assert (len(kept) > NUCLEUS) == (scale == 0.0)
    assert set(found.isfinite().nonzero().squeeze(1).tolist()) == set(kept.tolist())


@pytest.mark.parametrize('place', [1, BLOCK - 1, BLOCK, 3 * BLOCK - 1])
def test_impossible_tokens_are_never_chosen(place: int) -> None:
    logits = torch.full((4, 3 * BLOCK), -torch.inf)
    logits[:, place] = 0.0
    edges = torch.tensor([0.0, 2.0**-52, 0.5, 1 - 2.0**-52], dtype=torch.float64)
    tokens, picked = draw(logits, 1.0, 1.0, edges)
    assert tokens.tolist() == [place] * 4
    assert picked.tolist() == [0.0] * 4


def test_greedy_takes_the_likeliest_and_reports_the_models_distribution() -> None:
    tokens, picked = draw(LOGITS, 0.0, 0.5, torch.zeros(1, dtype=torch.float64))
    assert tokens.tolist() == [0]
    torch.testing.assert_close(picked, LOGITS.log_softmax(-1)[:, 0])


def test_half_precision_logits_become_single_precision_logprobs() -> None:
    _, picked = draw(LOGITS.bfloat16(), 1.0, 1.0, torch.zeros(1, dtype=torch.float64))
    assert picked.dtype == torch.float32
